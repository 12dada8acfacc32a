"""The commands: `tailwire serve`, `demo`, `keys`, `user`, `token`, `doctor`, `replay`, `lab`.

Who may import it: nobody.
Design page: server.md (The command).
"""
