"""Reads, and writes of a single statement, on PostgreSQL, for the code that all databases share (`store.sql`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, TypeVar

import asyncpg

from tailwire.server.ports.current_caller import current_caller
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.postgres.accompanying import Accompaniment
from tailwire.server.store.postgres.connecting import UNUSABLE, Connection, connect_reader
from tailwire.server.store.postgres.dialect import PostgresDialect
from tailwire.server.store.postgres.failures import MISSING_STATES, Failure, classify
from tailwire.server.store.postgres.parameters import statement_and_values
from tailwire.server.store.postgres.pool import FIRST_RETRY_SECONDS, RETRY_AFTER_SECONDS, UNREACHABLE_SECONDS, Pool
from tailwire.server.store.postgres.request_numbers import RequestNumbers
from tailwire.server.store.sql.connection import Parameters
from tailwire.server.store.sql.read_queue import ReadQueue

T = TypeVar("T")
Job = Callable[[Connection], Awaitable[T]]

READ_DEADLINE_SECONDS = 5.0
MAX_CONNECTIONS = 8
MAX_LONG_READS = 4  # connections that long reads may hold at the same time, so that short ones always find one
MAX_WAITING_READS = 5000
MAX_WAITING_READS_PER_USER = 20
MARGIN_SECONDS = 1.0  # the database ends a statement at its deadline; after this margin the connection is given up
_SNAPSHOT_SQL = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_OUTCOME_UNKNOWN_TEXT = "The answer of the database was lost. Look whether the change was made before you repeat it."


class DatabaseClosed(RuntimeError):
    """The store is closed and accepts no writes."""


class Database:
    """`sql.connection.Connection` on PostgreSQL: a pool of connections, made when they are needed.

    Args:
        url: `postgresql://…`.
        read_deadline: seconds that one statement may take, also one that writes.
        connect: makes a connection; by default to the database of the URL.

    Attributes:
        accompaniment: adds the audit log entry of the current request to a write; None to store no entries.
        numbers: checks the number of the current request before a write; None for no check.
    """

    dialect = PostgresDialect()

    def __init__(
        self,
        url: str,
        read_deadline: float = READ_DEADLINE_SECONDS,
        connect: Callable[[], Awaitable[Connection]] | None = None,
    ) -> None:
        self.url = url
        self.accompaniment: Accompaniment | None = None
        self.numbers: RequestNumbers | None = None
        self._patience = read_deadline + MARGIN_SECONDS
        self._pool = Pool(connect or (lambda: connect_reader(url, read_deadline)), MAX_CONNECTIONS, MAX_WAITING_READS)
        self._queue = ReadQueue(MAX_LONG_READS, MAX_WAITING_READS_PER_USER, MAX_WAITING_READS, perf_counter)
        self._reading: set[asyncio.Task[Any]] = set()
        self._closed = False

    @classmethod
    async def open(cls, url: str, read_deadline: float = READ_DEADLINE_SECONDS) -> Database:
        """Connect to a database, and return it once it has answered a query.

        Raises:
            Refused: ERR_UNAVAILABLE, the database does not answer.
        """
        database = cls(url, read_deadline)
        await database.first_row("SELECT 1")
        return database

    async def first_row(self, sql: str, parameters: Parameters = (), *, urgent: bool = False) -> Any:
        """Return the first row of a query, or None. Only for queries that an index answers at once.

        Args:
            sql: the query.
            parameters: its parameters.
            urgent: whether the query does not wait behind others for a connection.
        """
        text, values = statement_and_values(sql, parameters)
        read = self._read(lambda c: c.fetchrow(text, *values, timeout=self._patience), short=True, urgent=urgent)
        return await read

    async def first_rows(self, sql: str, keys: Iterable[Parameters]) -> list[Any]:
        """Return the result of `first_row` for each set of parameters, in their order."""
        calls = [statement_and_values(sql, key) for key in keys]

        async def read(c: Connection) -> list[Any]:
            return [await c.fetchrow(text, *values, timeout=self._patience) for text, values in calls]

        return await self._read(read, short=True) if calls else []

    async def rows(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of a query that nearly always takes little time."""
        text, values = statement_and_values(sql, parameters)
        return await self._read(lambda c: c.fetch(text, *values, timeout=self._patience), short=True)

    async def long_rows(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of a query that may take long, when it is this user's turn (see `Connection.long_rows`)."""
        text, values = statement_and_values(sql, parameters)
        return await self._read_long(lambda c: c.fetch(text, *values, timeout=self._patience))

    async def page(self, count: str, sql: str, values: Parameters, page: Parameters) -> tuple[list[Any], int]:
        """Return a page of a list and the number of all its entries, both from one snapshot."""
        counted, listed = statement_and_values(count, values), statement_and_values(sql, page)

        async def read(c: Connection) -> tuple[list[Any], int]:
            await c.execute(_SNAPSHOT_SQL, timeout=self._patience)
            try:
                total = await c.fetchval(counted[0], *counted[1], timeout=self._patience)
                rows = await c.fetch(listed[0], *listed[1], timeout=self._patience)
            except asyncpg.PostgresError:
                await c.execute("ROLLBACK", timeout=self._patience)
                raise
            await c.execute("COMMIT", timeout=self._patience)
            return rows, total

        return await self._read_long(read)

    async def run(self, sql: str, parameters: Parameters = ()) -> int:
        """Run a single statement that writes, and return the number of rows that it changed.

        If the request has an audit entry (`accompaniment`), the same statement stores it, if it changes a row.

        Raises:
            Refused: ERR_REQUEST_OUTDATED, a newer request of the same device was carried out before; ERR_UNAVAILABLE,
                the database cannot be used, or its answer was lost, so that the change may have been made.
            DatabaseClosed: the store is closed.
        """
        if self.numbers is not None:
            await self.numbers.check()
        text, values = statement_and_values(sql, parameters)
        entry = self.accompaniment.take() if self.accompaniment is not None else None
        if entry is None or self.accompaniment is None:

            async def write(c: Connection) -> int:
                status = await c.execute(text, *values, timeout=self._patience)
                return int(status.rpartition(" ")[2])

            return await self._write(write)
        both, all_values = self.accompaniment.extend(text, values, entry, "EXISTS (SELECT FROM changed)")
        changed = 0
        try:
            changed = await self._write(lambda c: c.fetchval(both, *all_values, timeout=self._patience))
        finally:
            entry.taken = changed > 0
        return changed

    async def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement that writes once for each row of values, in sorted order, all in one transaction.

        Raises:
            Refused, DatabaseClosed: as for `run`.
        """
        # In the order of the keys: two processes that change the same rows must not wait for each other in a circle.
        calls = sorted(tuple(row) for row in rows)
        if not calls:
            return
        if self.numbers is not None:
            await self.numbers.check()
        text, _ = statement_and_values(sql, calls[0])
        entry = self.accompaniment.take() if self.accompaniment is not None else None
        if entry is None or self.accompaniment is None:
            await self._write(lambda c: c.executemany(text, calls, timeout=self._patience))
            return
        # The first statement stores the entry, whatever it changes itself.
        flagged = [[*row, number == 0] for number, row in enumerate(calls)]
        flag = f"CAST(${len(calls[0]) + 1} AS boolean)"
        both, values = self.accompaniment.extend(text, flagged[0], entry, flag)
        more = values[len(flagged[0]) :]
        done = False
        try:
            await self._write(lambda c: c.executemany(both, [row + more for row in flagged], timeout=self._patience))
            done = True
        finally:
            entry.taken = done

    async def _read(self, job: Job[T], *, short: bool = False, urgent: bool = False) -> T:
        # A read changes nothing, so if its connection is lost, or a newer version changes the table, it is repeated on
        # another connection. The database cancels a read that takes too long. If the read should be short, or there was
        # no answer at all, the database is the cause and not the request: then clients should try again.
        clock = asyncio.get_running_loop().time
        given_up_at = clock() + UNREACHABLE_SECONDS
        while True:
            try:
                return await self._on_connection(job, urgent=urgent)
            except Exception as e:
                if isinstance(e, asyncpg.QueryCanceledError | TimeoutError):
                    if short or isinstance(e, TimeoutError):
                        raise Refused("ERR_UNAVAILABLE", retry_after=RETRY_AFTER_SECONDS) from e
                    raise Refused("ERR_QUERY_TOO_BROAD") from e
                if isinstance(e, asyncpg.PostgresError) and e.sqlstate in MISSING_STATES:
                    raise Refused("ERR_UNAVAILABLE", retry_after=RETRY_AFTER_SECONDS) from e
                if not isinstance(e, UNUSABLE) or classify(e) not in (Failure.LOST, Failure.BUSY):
                    raise
                if clock() >= given_up_at:
                    raise Refused("ERR_UNAVAILABLE", retry_after=RETRY_AFTER_SECONDS) from e
            await asyncio.sleep(FIRST_RETRY_SECONDS)

    async def _read_long(self, job: Job[T]) -> T:
        # The read waits for the turn of the user whose request this is. It continues if the caller is cancelled:
        # throwing its connection away each time would cost more than the read.
        who = current_caller.get()
        await self._queue.take(who)
        begun = perf_counter()

        def done(task: asyncio.Task[Any]) -> None:
            self._reading.discard(task)
            self._queue.give_back(who, perf_counter() - begun)
            if not task.cancelled():
                task.exception()  # retrieved here if no caller waits any longer

        task = asyncio.get_running_loop().create_task(self._read(job), name="tailwire long read")
        self._reading.add(task)
        task.add_done_callback(done)
        return await asyncio.shield(task)

    async def _write(self, job: Job[T]) -> T:
        if self._closed:
            raise DatabaseClosed("the store is closed")
        try:
            return await self._on_connection(job)
        except UNUSABLE as e:
            if classify(e) is Failure.ENTRY:
                raise
            raise Refused("ERR_UNAVAILABLE", _OUTCOME_UNKNOWN_TEXT, retry_after=RETRY_AFTER_SECONDS) from e

    async def _on_connection(self, job: Job[T], *, urgent: bool = False) -> T:
        connection = await self._pool.take(urgent=urgent)
        try:
            result = await job(connection)
        except asyncpg.PostgresError as e:
            if connection.is_in_transaction() or (
                classify(e) is Failure.LOST and not isinstance(e, asyncpg.QueryCanceledError)
            ):
                self._pool.drop(connection)
            else:
                self._pool.give_back(connection)
            raise
        except BaseException:
            self._pool.drop(connection)  # the driver may be left in the middle of an exchange
            raise
        self._pool.give_back(connection)
        return result

    @property
    def problem(self) -> str:
        """Why the database does not answer; "" when it does."""
        return self._pool.problem

    async def close(self) -> None:
        """Cancel the long reads in progress, and close the connections. Further reads and writes are refused."""
        self._closed = True
        for task in self._reading:
            task.cancel()
        if self._reading:
            await asyncio.wait(set(self._reading))
        await self._pool.close()

    def abandon(self) -> None:
        """Close the connections at once and without waiting, as if the process had been killed."""
        self._closed = True
        for task in self._reading:
            task.cancel()
        self._pool.abandon()
