"""Moves a database from a SQLite file to PostgreSQL. Ids, names and keys, and so the positions of clients, are kept.

`move` copies the file of a stopped server. `follow` copies it while the server continues to write, then transfers what
has changed since in repeated passes, and makes a last pass when the server has stopped. Both write to PostgreSQL in one
transaction, so that the move happens completely or not at all. Both commit it while the file is locked, so that no
write to the file is missed.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from tailwire.server.app.move_target import MoveRefused, MoveTarget, filled_target
from tailwire.server.app.source_copy import SourceCopy, columns_of, ordered_tables
from tailwire.server.store.migrate import current_revision, revisions, upgrade
from tailwire.server.store.sql.change_log import NEWEST_SQL
from tailwire.server.store.sql.schema import change_log
from tailwire.server.store.sqlite.lock import DatabaseInUse, ServerLock
from tailwire.server.store.sqlite.moved import mark_moved, mark_path
from tailwire.server.store.sqlite.starts import IdFile

LAST_ID_SQL = "SELECT max((SELECT coalesce(max(id), 0) FROM messages), (SELECT coalesce(max(last_id), 0) FROM app))"
LAST_ROW_NUMBER_SQL = "SELECT seq FROM sqlite_sequence WHERE name = ?"
LOCK_SECONDS = 30.0
"""How long the move waits, before it fails, for another command that is writing to the file."""
LOOK_SECONDS = 0.1
"""Seconds between two checks whether the server has stopped."""
MIN_PAUSE_SECONDS, PAUSE_PER_PASS = 2.0, 4
"""The pause after a pass once passes no longer become shorter: `PAUSE_PER_PASS` times as long as the pass, at least
`MIN_PAUSE_SECONDS`, so that the server has most of the machine. Before that there is no pause.
"""
FEW_ROWS, SHORTER = 1000, 0.8
"""Passes have become short enough when one finds at most `FEW_ROWS` rows, or takes more than `SHORTER` times as long as
the one before.
"""
Report = Callable[[str, int], None]
"""A function that is called with the name of a table and the number of its rows that were copied."""


class Pass(NamedTuple):
    """The report on one pass of `follow`: a transfer of all changes to the file since the pass before.

    Attributes:
        number: 1 for the first pass after the initial copy.
        rows: how many rows were new, changed or deleted.
        seconds: how long the pass took.
        near: True if passes no longer become much shorter (see `is_near`), so that the server should be stopped now.
        last: True for the pass after the server has stopped, which ends the move.
    """

    number: int
    rows: int
    seconds: float
    near: bool
    last: bool


def move(database: Path, url: str, report: Report) -> int:
    """Copy everything from a SQLite file to an empty PostgreSQL database.

    No server may run on the file. The file is upgraded to this version's schema; otherwise its contents stay as they
    are. Ids, the store's name, keys, tokens and the list of starts are copied too, so that clients continue as after a
    restart. The server builds the search index when it starts on the new database. At the end a second file is written
    next to the SQLite file, which marks it as moved, so that no server starts on it again.

    Args:
        url: the URL of the PostgreSQL database.
        report: called with the name of each table and the number of its rows, at the end.

    Returns:
        The highest message id that was ever assigned.

    Raises:
        MoveRefused: if there is no file, it is empty or an older copy of the server's file, the PostgreSQL database has
            content, or a server or another move is starting on it.
        DatabaseInUse: if a server runs on the file.
        OSError: if a database cannot be read or written.
    """
    with _explain_errors(database):
        lock = ServerLock(_existing_file(database))
        try:
            lock.write_holder("`tailwire migrate`")
            upgrade(f"sqlite:///{database}")
            upgrade(url)
            return asyncio.run(_move(database, url, report))
        finally:
            lock.release()


def follow(database: Path, url: str, report: Report, on_pass: Callable[[Pass], None]) -> int:
    """Copy everything from a SQLite file on which a server runs, and end the move when the server has stopped.

    Until then the file is only read, and is not locked. The move needs disk space for a copy of the file's contents.
    The result is the same as that of `move`, with the mark on the file.

    Args:
        url: the URL of the PostgreSQL database.
        report: called with the name of each table and the number of its rows after the initial copy.
        on_pass: called after each pass.

    Returns:
        The highest message id that was ever assigned.

    Raises:
        MoveRefused: if there is no file, it is empty, an older copy of the server's file or has another version's
            schema, the PostgreSQL database has content, or a server or another move is starting on it.
        OSError: if a database cannot be read or written.
    """
    with _explain_errors(database):
        _check_schema(_existing_file(database))
        with closing(_connect(database)) as source:
            _last_id(source, database)  # refuses what would be refused at the end
        upgrade(url)
        return asyncio.run(_follow(database, url, report, on_pass))


async def _move(database: Path, url: str, report: Report) -> int:
    with _locked_source(database) as source:  # until the commit
        async with filled_target(url) as target:
            last = _last_id(source, database)
            for table in ordered_tables():
                await target.copy_table(table, source.execute(f'SELECT {columns_of(table)} FROM "{table.name}"'))
            await _finish(source, database, target, last, report)
        return last


async def _follow(database: Path, url: str, report: Report, on_pass: Callable[[Pass], None]) -> int:
    with ExitStack() as held:  # until the commit
        async with filled_target(url) as target:
            with closing(SourceCopy(database)) as copy:
                for table in ordered_tables():
                    await target.copy_table(table, copy.rows(table))
                    report(table.name, copy.count(table))
                done = None
                while (lock := await _wait_for_lock(database, _pause_after(done))) is None:
                    done = await _run_pass(copy, target, done)
                    on_pass(done)
                held.callback(lock.release)
                lock.write_holder("`tailwire migrate --follow`")
                _check_schema(database)
                source = held.enter_context(_locked_source(database))
                last = _last_id(source, database)
                on_pass(await _run_pass(copy, target, done, last=True))
            await _finish(source, database, target, last, lambda table, rows: None)
        return last


async def _wait_for_lock(database: Path, seconds: float) -> ServerLock | None:
    # Return the lock of the database as soon as its server has released it; None if it runs for longer.
    end = time.monotonic() + seconds
    while True:
        try:
            return ServerLock(database)
        except DatabaseInUse:
            if time.monotonic() >= end:
                return None
        await asyncio.sleep(LOOK_SECONDS)


def _pause_after(done: Pass | None) -> float:
    return max(MIN_PAUSE_SECONDS, done.seconds * PAUSE_PER_PASS) if done is not None and done.near else 0.0


def is_near(previous: Pass | None, rows: int, seconds: float) -> bool:
    """Return whether it is time to stop the server, because further passes would not be much shorter than this one.

    This is so once a pass found at most `FEW_ROWS` rows, or took more than `SHORTER` times as long as the one before.

    Args:
        previous: the pass before this one; None for the first one.
        rows: the number of rows that this pass found to be new, changed or deleted.
        seconds: how long this pass took.
    """
    return rows <= FEW_ROWS or (previous is not None and (previous.near or seconds > previous.seconds * SHORTER))


async def _run_pass(copy: SourceCopy, target: MoveTarget, previous: Pass | None, *, last: bool = False) -> Pass:
    began = time.monotonic()
    found = copy.catch_up()
    for table in ordered_tables():
        if table.name in found:
            await target.replace(table, copy.outdated_keys(table), copy.changed_rows(table))
    rows, seconds = sum(found.values()), time.monotonic() - began
    return Pass(previous.number + 1 if previous else 1, rows, seconds, is_near(previous, rows, seconds), last)


async def _finish(source: sqlite3.Connection, database: Path, target: MoveTarget, last: int, report: Report) -> None:
    for table in ordered_tables():
        (rows,) = source.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()
        await target.verify(table, rows)
        # The file does not record the numbers of changes as it does those of other rows: entries may have been removed.
        sql, values = (NEWEST_SQL, ()) if table is change_log else (LAST_ROW_NUMBER_SQL, (table.name,))
        (highest,) = source.execute(sql, values).fetchone() or (0,)
        await target.set_sequences(table, highest)
        report(table.name, rows)
    await target.set_last_id(last)
    mark_moved(database)  # before the commit: a mark without a move can be removed, a move without one loses messages


@contextmanager
def _explain_errors(database: Path) -> Iterator[None]:
    marked = mark_path(database).exists()
    try:
        yield
    except sqlite3.Error as e:
        raise OSError(f"{database} cannot be read, or copied next to itself: {e}") from e
    except (OSError, KeyboardInterrupt) as e:
        if marked or not mark_path(database).exists():
            raise
        raise OSError(
            f"{e or 'interrupted'}. It is unknown whether the last step was done: if the PostgreSQL database is empty,"
            f" remove {mark_path(database)}, and start the server on the file again; otherwise the move is complete"
        ) from e


def _existing_file(database: Path) -> Path:
    if not database.is_file():
        raise MoveRefused(f"there is no database at {database}: give the --data folder of the server")
    return database


def _check_schema(database: Path) -> None:
    engine = create_engine(f"sqlite:///{database}", poolclass=NullPool)
    try:
        with engine.connect() as connection:
            current = current_revision(connection)
    finally:
        engine.dispose()
    if current != revisions()[-1]:
        raise MoveRefused(
            f"{database} has schema version {current}, this version of tailwire has {revisions()[-1]}: run the server"
            " in this version first, or move it with the command of its version"
        )


def _connect(database: Path) -> sqlite3.Connection:
    uri = f"{database.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=LOCK_SECONDS)


@contextmanager
def _locked_source(database: Path) -> Iterator[sqlite3.Connection]:
    # Commands that run without a server write to the file too.
    with closing(_connect(database)) as source:
        source.execute("BEGIN IMMEDIATE")
        yield source


def _last_id(source: sqlite3.Connection, database: Path) -> int:
    known = IdFile(database).read()  # first: a server that runs writes it after its commits
    (name,) = source.execute("SELECT store_name FROM app").fetchone() or ("",)
    if not name:
        raise MoveRefused(f"{database} is empty: start a server on the PostgreSQL database instead")
    last = int(source.execute(LAST_ID_SQL).fetchone()[0])
    if known is None or known.name != name or known.highest > last:
        raise MoveRefused(
            f"{database} is an older copy, or was moved here without its file {database.name}.ids: start and stop the"
            " server on it once, so that it continues as a new store, and try again"
        )
    return last
