"""Assembles the server: the only package that imports all parts of it. Also startup checks, housekeeping, backups.

Who may import it: cli, lab and testing.
Read more: docs/server.md.
"""

from tailwire.server.app.checks import CannotStart
from tailwire.server.app.key_file import Keys, key_file, read_keys, write_keys
from tailwire.server.app.pages import DEMO_USERS
from tailwire.server.app.running import Parts, Running, assemble, make_keys, running_server, serve

__all__ = [
    "DEMO_USERS",
    "CannotStart",
    "Keys",
    "Parts",
    "Running",
    "assemble",
    "key_file",
    "make_keys",
    "read_keys",
    "running_server",
    "serve",
    "write_keys",
]
