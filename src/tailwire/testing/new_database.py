"""Create the databases of tests' servers by copying an empty one, so that migrations run only once per process."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from tailwire.server import private_files
from tailwire.server.store.migrate import upgrade


@functools.cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory(prefix="tailwire-database-") as folder:
        path = Path(folder) / "tailwire.db"
        upgrade(f"sqlite:///{path}")
        return path.read_bytes()


def put_new_database(path: Path) -> None:
    """Write an empty SQLite database with the current schema to a file, unless the file exists.

    A server that is started on it creates its app id and its keys, as in a database that it has created itself.
    """
    if path.exists():
        return
    private_files.make_folder(path.parent)
    with private_files.open_new(path) as file:
        file.write(_migrated())
