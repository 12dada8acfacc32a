"""The numbers that clients give to requests, so that one that arrives late or again changes nothing.

The first write of a request checks that its number is higher than the stored one, and stores it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TypeVar

from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.request_numbers import KEPT_SECONDS, RequestNumber, current_number
from tailwire.server.ports.world import World
from tailwire.server.store.sqlite.database import Database
from tailwire.server.store.sqlite.writer import Operation

T = TypeVar("T")
ROWS_PER_CLEANUP = 20
"""How many expired numbers a write removes. It adds one at most, so the table shrinks."""
_KNOWN_SQL = "SELECT 1 FROM request_numbers WHERE key = ? AND number >= ?"
_STORE_SQL = """INSERT INTO request_numbers (key, number, at) VALUES (?, ?, ?) ON CONFLICT (key)
DO UPDATE SET number = excluded.number, at = excluded.at WHERE excluded.number > request_numbers.number"""
_EXPIRED_SQL = """DELETE FROM request_numbers WHERE key IN
(SELECT key FROM request_numbers WHERE at < ? ORDER BY at LIMIT ?)"""


class RequestNumbers:
    """`RequestNumberStore` on SQLite.

    The writer passes each operation to `accompany`, which adds the number of a request to its first operation.
    """

    def __init__(self, database: Database, world: World) -> None:
        self._database = database
        self._world = world
        database.writer.accompaniments.append(self.accompany)

    def accompany(self, operation: Operation[T], future: asyncio.Future[T]) -> Operation[T]:
        """Extend an operation so that it first checks the number of the current request, and stores it at the end.

        The extended operation raises `Refused` with ERR_REQUEST_OUTDATED, and changes nothing, if the number is not
        higher than the stored one. If it fails, the number is left to the next write of the request.

        Args:
            operation: an operation that was submitted to the writer.
            future: its future result.

        Returns:
            The extended operation; `operation` itself if the request has no number, or another write has taken it.
        """
        number = current_number.get()
        if number is None or number.taken:
            return operation
        number.taken = True

        def run_both(c: sqlite3.Connection) -> T:
            if c.execute(_KNOWN_SQL, (number.key, number.number)).fetchone() is not None:
                raise Refused("ERR_REQUEST_OUTDATED")
            result = operation(c)
            self._store(c, number)
            return result

        def on_ended(ended: asyncio.Future[T]) -> None:
            if ended.cancelled() or ended.exception() is not None:
                number.taken = False

        future.add_done_callback(on_ended)
        return run_both

    async def store_number(self, number: RequestNumber) -> None:
        number.taken = True
        await self._database.write(lambda c: self._store(c, number))

    def _store(self, c: sqlite3.Connection, number: RequestNumber) -> None:
        now = self._world.seconds()
        c.execute(_STORE_SQL, (number.key, number.number, now))
        c.execute(_EXPIRED_SQL, (now - KEPT_SECONDS, ROWS_PER_CLEANUP))
