"""What the nouns of the store share: three ways to read, the writer, and the ids."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

from tailwire.server.store.readers import Job, Readers, Short, TooLong
from tailwire.server.store.writer import Writer

Parameters = Mapping[str, Any] | Sequence[Any]
T = TypeVar("T")


class Access:
    """Reads, and the writer. In WAL mode a reader never waits for the writer.

    One row by its key (`_one`): in the event loop's thread, where it is cheapest. What is nearly always short
    (`_read`): there too, and in a thread when it turns out to be long. What may be long (`_read_long`): in a thread.
    """

    _reader: sqlite3.Connection
    _short: Short
    _readers: Readers
    _writer: Writer
    _writing: sqlite3.Connection
    _executor: Executor
    _last_id: int

    def _one(self, sql: str, parameters: Parameters) -> Any:
        return self._reader.execute(sql, parameters).fetchone()

    async def _read(self, job: Job[T]) -> T:
        try:
            return self._short.read(job)
        except TooLong:
            return await self._readers.read(job)

    async def _read_long(self, job: Job[T]) -> T:
        return await self._readers.read(job)

    async def _rows(self, sql: str, parameters: Parameters) -> list[Any]:
        return await self._read(lambda c: c.execute(sql, parameters).fetchall())

    async def _page(self, count: str, sql: str, values: Parameters, page: Parameters) -> tuple[list[Any], int]:
        # A page of a list, and how many entries there are: both of the same state.
        def read(c: sqlite3.Connection) -> tuple[list[Any], int]:
            (total,) = c.execute(count, values).fetchone()
            return c.execute(sql, page).fetchall(), total

        return await self._read_long(read)
