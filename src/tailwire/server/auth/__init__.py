"""Keys, tokens and passwords: who is it that speaks.

Who may import it: actions and everything left of them.
Design page: server.md (Who may do what).
"""
