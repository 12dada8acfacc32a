"""The size of the database and of the uploads, and how long batches take."""

from __future__ import annotations

from collections.abc import Callable

from tailwire.server.store.postgres.database import Database
from tailwire.server.store.postgres.lane import Lane
from tailwire.server.store.sql.measures import uploaded_bytes


class Measures:
    """Measures the store, for metrics."""

    def __init__(self, database: Database, lane: Lane) -> None:
        self._db = database
        self._lane = lane

    def on_transaction(self, call: Callable[[float], None]) -> None:
        """Set the function that is called after each batch with the seconds that it took until it was answered."""
        self._lane.on_batch = call

    async def database(self) -> tuple[int, int | None]:
        """Return the size of the database in bytes, and None for that of the write-ahead log.

        PostgreSQL has only one write-ahead log for all databases of a cluster.
        """
        (size,) = await self._db.first_row("SELECT pg_database_size(current_database())")
        return int(size), None

    async def uploads(self) -> int:
        """Return the size of all uploaded files in bytes, without thumbnails."""
        return await uploaded_bytes(self._db)
