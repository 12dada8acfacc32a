"""Puts the parts together, and is the only one who knows all of them.

Who may import it: cli and testing.
Design page: architecture.md (The house); server.md (The command).
"""

from tailwire.server.app.checks import CannotStart
from tailwire.server.app.key_file import Keys, key_file, read_keys, write_keys
from tailwire.server.app.running import DEMO_USERS, Parts, Running, assemble, make_keys, running, serve

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
    "running",
    "serve",
    "write_keys",
]
