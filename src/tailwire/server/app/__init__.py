"""Puts the parts together, and is the only one who knows all of them.

Who may import it: cli and testing.
Design page: architecture.md (The house); server.md (The command).
"""

from tailwire.server.app.running import DEMO_USERS, Keys, Parts, Running, assemble, make_keys, running, serve

__all__ = ["DEMO_USERS", "Keys", "Parts", "Running", "assemble", "make_keys", "running", "serve"]
