"""What the nouns of the store share: the reader, the writer, and the ids."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from tailwire.server.store.writer import Writer

Parameters = Mapping[str, Any] | Sequence[Any]


class Access:
    """A connection to read with, in the event loop's thread (WAL: a reader never waits), and the writer.

    Short reads by key run in place: a hop to a thread costs more than they do.
    """

    _reader: sqlite3.Connection
    _writer: Writer
    _last_id: int

    def _one(self, sql: str, parameters: Parameters) -> Any:
        return self._reader.execute(sql, parameters).fetchone()

    def _all(self, sql: str, parameters: Parameters) -> list[Any]:
        return self._reader.execute(sql, parameters).fetchall()

    async def _rows(self, sql: str, parameters: Parameters) -> list[Any]:
        return self._all(sql, parameters)
