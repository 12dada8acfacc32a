"""The database file: its connections for reads, its writer, and the highest message id. The whole store shares it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from tailwire.server.store.sql.connection import Parameters
from tailwire.server.store.sql.folding import fold
from tailwire.server.store.sqlite.checkpoints import Checkpoints
from tailwire.server.store.sqlite.dialect import SqliteDialect
from tailwire.server.store.sqlite.readers import Readers, ReadTooLong, ShortReads
from tailwire.server.store.sqlite.writer import Operation, Writer

T = TypeVar("T")
_LAST_ID_SQL = "SELECT max((SELECT coalesce(max(id), 0) FROM messages), (SELECT coalesce(max(last_id), 0) FROM app))"


class Database:
    """`sql.connection.Connection` on one SQLite file. It is in WAL mode, so reads never wait for the writer.

    `first_row` and `first_rows` run in the event loop's thread, where a short read is cheapest. `rows` does so too, but
    starts again in another thread if it takes long. `long_rows` and `page` always run in another thread.

    Args:
        read_deadline: seconds that a read in another thread may take.

    Attributes:
        executor: the writer's thread.
        writer: runs operations (functions that write) in transactions.
        reader: the connection for reads in the event loop's thread.
        readers: the connections for reads in other threads.
        writing: the writer's connection, used only in `executor` once the store is open.
        last_id: the highest message id that was given out. Only operations of the writer may change it.
    """

    dialect = SqliteDialect()

    def __init__(self, path: Path, read_deadline: float) -> None:
        self.executor = ThreadPoolExecutor(1, thread_name_prefix="tailwire-store")
        self.writing = _connect(path)
        self.writing.execute("PRAGMA secure_delete = ON")  # overwrite what is deleted
        self.reader = _connect(path)
        self.reader.execute("PRAGMA query_only = ON")
        self.readers = Readers(lambda: _connect_reader(path), read_deadline)
        self.writer = Writer(self.writing, self.executor, self._report_rollback, self._report_commit)
        self._checkpoints = Checkpoints(lambda: _connect(path), self.writing)
        self.writer.on_results = self._checkpoints.begin_if_due
        self.last_id = _read_last_id(self.reader)
        self._short = ShortReads(self.reader)
        self._on_rollback: list[Callable[[sqlite3.Connection], None]] = []
        self._on_commit: list[Callable[[int], None]] = []

    async def first_row(self, sql: str, parameters: Parameters = ()) -> Any:
        """Return the first row of a query, or None. Only for queries that an index answers at once."""
        return self.reader.execute(sql, parameters).fetchone()

    async def first_rows(self, sql: str, keys: Iterable[Parameters]) -> list[Any]:
        """Return the result of `first_row` for each set of parameters, in their order."""
        execute = self.reader.execute
        return [execute(sql, key).fetchone() for key in keys]

    async def rows(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of a query that nearly always takes little time."""

        def read(c: sqlite3.Connection) -> list[Any]:
            return c.execute(sql, parameters).fetchall()

        try:
            return self._short.read(read)
        except ReadTooLong:
            return await self.readers.read(read)

    async def long_rows(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of a query that may take long, when it is this user's turn (see `Connection.long_rows`)."""
        return await self.readers.read(lambda c: c.execute(sql, parameters).fetchall())

    async def page(self, count: str, sql: str, values: Parameters, page: Parameters) -> tuple[list[Any], int]:
        """Return a page of a list and the number of all its entries, both from one snapshot (see `Connection.page`)."""

        def read(c: sqlite3.Connection) -> tuple[list[Any], int]:
            (total,) = c.execute(count, values).fetchone()
            return c.execute(sql, page).fetchall(), total

        return await self.readers.read(read)

    async def run(self, sql: str, parameters: Parameters = ()) -> int:
        """Run a single statement in the writer. Return the number of changed rows after the commit."""
        return await self.writer.submit(lambda c: c.execute(sql, parameters).rowcount)

    async def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement in the writer once for each row of values, all in one transaction."""
        await self.writer.submit(lambda c: c.executemany(sql, rows).rowcount)

    def write(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Submit an operation to the writer, and return a future for its result (see `Writer.submit`)."""
        return self.writer.submit(operation)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Register a function that is called once, after the commit of the operation that calls this.

        See `Writer.after_commit`.
        """
        self.writer.after_commit(call)

    def on_rollback(self, reload: Callable[[sqlite3.Connection], None]) -> None:
        """Register a function that is called in the writer's thread after each rollback.

        It gets the writer's connection, to read again what operations have counted in memory.
        """
        self._on_rollback.append(reload)

    def on_commit(self, call: Callable[[int], None]) -> None:
        """Register a function that is called in the writer's thread after each commit, before any result is set.

        It gets `last_id`.

        The function must not raise.
        """
        self._on_commit.append(call)

    async def close(self) -> None:
        """Wait for the writes that were submitted, interrupt reads, and close the connections."""
        await self.writer.close()
        await self._checkpoints.close()
        await self.readers.close()
        self.reader.close()
        await asyncio.get_running_loop().run_in_executor(self.executor, self.writing.close)
        self.executor.shutdown()

    def abandon(self) -> None:
        """Close the connections at once, as if the process had been killed. They must be idle."""
        self._checkpoints.abandon()
        self.readers.abandon()
        self.reader.close()
        self.writing.close()
        self.executor.shutdown(wait=False)

    def _report_commit(self) -> None:
        for call in self._on_commit:
            call(self.last_id)

    def _report_rollback(self) -> None:
        self.last_id = _read_last_id(self.writing)
        for reload in self._on_rollback:
            reload(self.writing)


def _read_last_id(c: sqlite3.Connection) -> int:
    return int(c.execute(_LAST_ID_SQL).fetchone()[0])


def _fold(text: str | None) -> str | None:
    return fold(text) if text is not None else None


def _connect(path: Path) -> sqlite3.Connection:
    c = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=5)
    c.create_function("fold", 1, _fold, deterministic=True)
    c.execute("PRAGMA journal_mode = WAL")
    c.execute("PRAGMA synchronous = FULL")
    c.execute("PRAGMA cache_size = -32768")
    c.execute("PRAGMA temp_store = MEMORY")
    c.execute("PRAGMA journal_size_limit = 67108864")
    return c


def _connect_reader(path: Path) -> sqlite3.Connection:
    c = _connect(path)
    c.execute("PRAGMA query_only = ON")
    c.execute("PRAGMA cache_size = -8192")
    return c
