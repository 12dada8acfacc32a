"""The `tailwire` command and its subcommands.

Who may import it: no other package.
Read more: docs/server.md.
"""
