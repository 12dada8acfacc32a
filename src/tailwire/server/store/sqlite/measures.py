"""The size of the database file and of the uploads, and how long transactions take."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tailwire.server.store.sql.measures import uploaded_bytes
from tailwire.server.store.sqlite.database import Database


class Measures:
    """Measures the store, for metrics."""

    def __init__(self, database: Database, path: Path) -> None:
        self._db = database
        self._path = path

    def on_transaction(self, call: Callable[[float], None]) -> None:
        """Set the function that is called in the writer's thread with the seconds that each transaction took."""
        self._db.writer.on_transaction = call

    async def database(self) -> tuple[int, int | None]:
        """Return the sizes of the database and of its write-ahead log in bytes."""
        return _size(self._path), _size(self._path.with_name(self._path.name + "-wal"))

    async def uploads(self) -> int:
        """Return the size of all uploaded files in bytes, without thumbnails."""
        return await uploaded_bytes(self._db)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:  # there is no write-ahead log yet
        return 0
