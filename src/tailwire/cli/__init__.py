"""The `tailwire` command and its subcommands.

Who may import it: only `__main__`.
Read more: docs/server.md.
"""
