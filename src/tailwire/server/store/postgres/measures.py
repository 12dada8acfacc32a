"""The size of the database and of the uploads, and how long batches take."""

from __future__ import annotations

from collections.abc import Callable

from tailwire.server.store.postgres.database import Database
from tailwire.server.store.postgres.lane import Lane
from tailwire.server.store.sql.measures import uploaded_bytes


class Measures:
    """The measurements of the store."""

    def __init__(self, database: Database, lane: Lane) -> None:
        self._db = database
        self._lane = lane

    def on_transaction(self, call: Callable[[float], None]) -> None:
        """Call a function with the seconds until each batch was answered."""
        self._lane.timed = call

    async def database(self) -> tuple[int, int | None]:
        """Return the bytes of the database, and None: the write-ahead log belongs to all databases of the cluster."""
        (size,) = await self._db.first_row("SELECT pg_database_size(current_database())")
        return int(size), None

    async def uploads(self) -> int:
        """Return the bytes of all uploaded files, without thumbnails."""
        return await uploaded_bytes(self._db)
