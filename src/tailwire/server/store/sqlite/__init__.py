"""The store on a SQLite file: a thread that writes, reads that never wait for it, and the full-text index.

Methods that belong to an interface of `ports` or of `store.sql` are documented there.

Who may import it: app, commands, and testing.
Read more: docs/project/architecture.md.
"""

from tailwire.server.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
