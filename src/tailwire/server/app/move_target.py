"""Writes the rows of another database into an empty PostgreSQL database, in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Column, LargeBinary, String, Table

from tailwire.server.store.postgres.connecting import CONNECT_SECONDS, PATIENT, UNUSABLE, Connection, connect
from tailwire.server.store.postgres.starting import STARTING_LOCK

Row = tuple[Any, ...]
APP_LOCK_KEY = 7308895  # of the lane that gives out ids
SEQUENCES_SQL = """SELECT a.attname, pg_get_serial_sequence(c.oid::regclass::text, a.attname)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.oid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped
AND pg_get_serial_sequence(c.oid::regclass::text, a.attname) IS NOT NULL"""
NUL = "\0"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Replaces U+0000 in texts, which PostgreSQL cannot store. Old versions of this server accepted it."""


class MoveRefused(OSError):
    """The move was refused before it changed anything. The message says why, and what to do."""


class MoveTarget:
    """A PostgreSQL database that is filled in one transaction. Use `filled_target` to make one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def copy_table(self, table: Table, rows: Iterator[Row]) -> None:
        """Replace the contents of a table. Each row has the values of `table.columns` in their order."""
        await self._connection.execute(f'DELETE FROM "{table.name}"')  # migrations have put rows into some
        await self._insert(table, rows)
        await self._connection.execute(f'ANALYZE "{table.name}"')

    async def replace(self, table: Table, keys: Iterator[Row], rows: Iterator[Row]) -> None:
        """Delete rows of a table, and insert others.

        Args:
            keys: the primary keys of the rows to delete, each as a tuple; those that do not exist are ignored.
            rows: the rows to insert, with the values of `table.columns` in their order.
        """
        names = [column.name for column in table.primary_key.columns]
        quoted = ", ".join(f'"{name}"' for name in names)
        await self._connection.execute(
            f'CREATE TEMPORARY TABLE outdated ON COMMIT DROP AS SELECT {quoted} FROM "{table.name}" LIMIT 0'
        )
        records = _convert_rows(keys, list(table.primary_key.columns))
        await self._connection.copy_records_to_table("outdated", records=records, columns=names)
        await self._connection.execute("ANALYZE outdated")
        same = " AND ".join(f't."{name}" = o."{name}"' for name in names)
        await self._connection.execute(f'DELETE FROM "{table.name}" t USING outdated o WHERE {same}')
        await self._connection.execute("DROP TABLE outdated")
        await self._insert(table, rows)

    async def verify(self, table: Table, expected: int) -> None:
        """Check that a table has the expected number of rows.

        Raises:
            OSError: the number differs.
        """
        copied = int(await self._connection.fetchval(f'SELECT count(*) FROM "{table.name}"'))
        if copied != expected:
            raise OSError(f"{copied} of {expected} rows of {table.name} were copied; nothing is kept")

    async def set_sequences(self, table: Table, highest: int) -> None:
        """Set the sequences of a table's numbered columns so that new rows get higher numbers than any row ever had.

        Args:
            highest: the highest number that the source has ever assigned to a row of the table, which may have been
                deleted; 0 if the source does not record it. The numbers of the present rows are always considered.
        """
        for column, sequence in await self._connection.fetch(SEQUENCES_SQL, f'"{table.name}"'):
            of_rows = await self._connection.fetchval(f'SELECT coalesce(max("{column}"), 0) FROM "{table.name}"')
            last = max(of_rows, highest)
            await self._connection.execute(
                "SELECT setval($1::text::regclass, $2, $3)", sequence, max(last, 1), last > 0
            )

    async def set_last_id(self, last: int) -> None:
        """Set the sequence of message ids, so that the next message gets the id after `last`."""
        await self._connection.execute("SELECT setval('message_ids', $1)", last)

    async def _insert(self, table: Table, rows: Iterator[Row]) -> None:
        columns = list(table.columns)
        names = [column.name for column in columns]
        await self._connection.copy_records_to_table(table.name, records=_convert_rows(rows, columns), columns=names)


@asynccontextmanager
async def filled_target(url: str) -> AsyncIterator[MoveTarget]:
    """Return a context with a transaction in an empty database, which is committed at the end and undone on an error.

    The database must have this version's schema. Servers that start on it wait for the end of the context (see
    `store.postgres.starting`).

    Raises:
        MoveRefused: the database has content, a server is starting on it, or another move is in progress.
        OSError: the database cannot be used. Nothing is kept.
    """
    try:
        # The transaction waits for the source as long as the move takes, whatever bounds the role has.
        connection = await connect(url, "migrate", {**PATIENT, "lock_timeout": "10s"})
    except UNUSABLE as e:
        raise OSError(f"the PostgreSQL database cannot be used: {e}") from e
    try:
        async with connection.transaction():
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", STARTING_LOCK):
                raise MoveRefused("a server is starting on the PostgreSQL database, or another move is in progress")
            await connection.execute("SELECT pg_advisory_xact_lock($1)", APP_LOCK_KEY)
            if await connection.fetchval("SELECT EXISTS (SELECT FROM app) OR EXISTS (SELECT FROM messages)"):
                raise MoveRefused("the PostgreSQL database has content already: create an empty one")
            yield MoveTarget(connection)
    except UNUSABLE as e:
        if isinstance(e, OSError):
            raise
        raise OSError(f"the PostgreSQL database cannot be written: {e}") from e
    finally:
        await connection.close(timeout=CONNECT_SECONDS)


def _convert_rows(rows: Iterable[Row], columns: list[Column[Any]]) -> Iterator[Row]:
    texts = [n for n, column in enumerate(columns) if isinstance(column.type, String)]
    blobs = [n for n, column in enumerate(columns) if isinstance(column.type, LargeBinary)]
    for row in rows:
        values = list(row)
        for n in texts:
            if values[n] is not None and NUL in values[n]:
                values[n] = values[n].replace(NUL, REPLACEMENT)
        for n in blobs:
            if isinstance(values[n], str):
                values[n] = values[n].encode()
        yield tuple(values)
