"""Moves the database of a stopped server from a SQLite file to PostgreSQL: same ids, names, keys and positions."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import LargeBinary, String, Table

from tailwire.server.store.migrate import upgrade
from tailwire.server.store.postgres.connecting import CONNECT_SECONDS, UNUSABLE, Connection
from tailwire.server.store.sql.schema import metadata
from tailwire.server.store.sqlite.lock import ServerLock
from tailwire.server.store.sqlite.starts import IdFile

LAST_ID = "SELECT max((SELECT coalesce(max(id), 0) FROM messages), (SELECT coalesce(max(last_id), 0) FROM app))"
SEQUENCES = """SELECT a.attname, pg_get_serial_sequence(c.oid::regclass::text, a.attname)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.oid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped
AND pg_get_serial_sequence(c.oid::regclass::text, a.attname) IS NOT NULL"""
NUL = "\0"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""For U+0000, which versions before PostgreSQL accepted in texts."""


class MoveRefused(OSError):
    """The move was refused before it changed anything. The message says why, and what to do."""


def move(database: Path, url: str, report: Callable[[str, int], None]) -> int:
    """Copy everything from a SQLite file to an empty PostgreSQL database, in one transaction.

    The file is not changed, except that it is upgraded to this version's schema; no server may run on it. Ids,
    the store's name, keys, tokens and the starts are kept, so that clients continue as after a restart. The search
    index is built by the server afterwards.

    Args:
        url: the PostgreSQL database.
        report: called with each table and the number of its rows.

    Returns:
        The highest message id that was given out.

    Raises:
        MoveRefused: if there is no file, the database has content, or the file is an older copy.
        InUse: if a server runs on the file.
        OSError: if a database cannot be read or written.
    """
    if not database.is_file():
        raise MoveRefused(f"there is no database at {database}: give the --data folder of the server")
    lock = ServerLock(database)
    try:
        lock.note("`tailwire migrate`")
        upgrade(f"sqlite:///{database}")
        upgrade(url)
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as source:
            source.execute("BEGIN")
            last = _last_id(source, database)
            return asyncio.run(_copy(source, url, last, report))
    except sqlite3.Error as e:
        raise OSError(f"{database} cannot be read: {e}") from e
    finally:
        lock.release()


def _last_id(source: sqlite3.Connection, database: Path) -> int:
    (name,) = source.execute("SELECT store_name FROM app").fetchone() or ("",)
    if not name:
        raise MoveRefused(f"{database} is empty: start a server on the PostgreSQL database instead")
    last = int(source.execute(LAST_ID).fetchone()[0])
    known = IdFile(database).read()
    if known is None or known.name != name or known.highest > last:
        raise MoveRefused(
            f"{database} is an older copy, or was moved here without its file {database.name}.ids: start and stop the"
            " server on it once, so that it continues as a new store, and try again"
        )
    return last


async def _copy(source: sqlite3.Connection, url: str, last: int, report: Callable[[str, int], None]) -> int:
    try:
        target: Connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    except UNUSABLE as e:
        raise OSError(f"the PostgreSQL database cannot be used: {e}") from e
    try:
        async with target.transaction():
            await target.execute("SELECT pg_advisory_xact_lock(7308895)")
            if await target.fetchval("SELECT EXISTS (SELECT FROM app) OR EXISTS (SELECT FROM messages)"):
                raise MoveRefused("the PostgreSQL database has content already: create an empty one")
            for table in metadata.sorted_tables:
                report(table.name, await _copy_table(source, target, table))
            await target.execute("SELECT setval('message_ids', $1)", last)
        return last
    except UNUSABLE as e:
        if isinstance(e, MoveRefused):
            raise
        raise OSError(f"the PostgreSQL database cannot be written, and nothing was copied: {e}") from e
    finally:
        await target.close()


async def _copy_table(source: sqlite3.Connection, target: Connection, table: Table) -> int:
    columns = [column.name for column in table.columns]
    quoted = ", ".join(f'"{name}"' for name in columns)
    await target.execute(f'DELETE FROM "{table.name}"')  # migrations have put rows into some
    rows = source.execute(f'SELECT {quoted} FROM "{table.name}"')
    await target.copy_records_to_table(table.name, records=_converted(rows, table), columns=columns)
    for column, sequence in await target.fetch(SEQUENCES, f'"{table.name}"'):
        highest = f'SELECT setval($1::text::regclass, greatest(max("{column}"), 1), max("{column}") IS NOT NULL)'
        await target.execute(f'{highest} FROM "{table.name}"', sequence)
    copied = int(await target.fetchval(f'SELECT count(*) FROM "{table.name}"'))
    (expected,) = source.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()
    if copied != expected:
        raise OSError(f"{copied} of {expected} rows of {table.name} were copied; nothing is kept")
    return copied


def _converted(rows: Iterator[tuple[Any, ...]], table: Table) -> Iterator[tuple[Any, ...]]:
    texts = [n for n, column in enumerate(table.columns) if isinstance(column.type, String)]
    blobs = [n for n, column in enumerate(table.columns) if isinstance(column.type, LargeBinary)]
    for row in rows:
        values = list(row)
        for n in texts:
            if values[n] is not None and NUL in values[n]:
                values[n] = values[n].replace(NUL, REPLACEMENT)
        for n in blobs:
            if isinstance(values[n], str):
                values[n] = values[n].encode()
        yield tuple(values)
