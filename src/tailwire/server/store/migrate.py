"""Upgrades a database to the schema of this version, or refuses one of a newer version.

SQLite and PostgreSQL have the same list of migrations. A PostgreSQL database begins with 0008, which creates the whole
schema of that time: the server did not support PostgreSQL before.

Alembic is imported only where there is something to upgrade: its import takes a tenth of a server's start.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from tailwire.server.telemetry.logs import log

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
BEFORE_POSTGRES = "0007"
OLDEST_POSTGRES = 16
LOWERED = "éσοσ"
"""What `lower('ÉΣΟΣ')` must return, with each character folded by itself, as `folding.fold` does. The locale
PG_UNICODE_FAST makes another letter of a Σ at the end of a word."""
_PROPERTIES_SQL = """SELECT CAST(current_setting('server_version_num') AS INTEGER), current_setting('server_encoding'),
'B' < 'a' AND 'a' < 'á' AND 'z' < 'á', lower('ÉΣΟΣ'), pg_is_in_recovery()"""
LOCK_SECONDS, LOCK_PAUSE_SECONDS = 2.0, 1.0
LOCK_NOT_AVAILABLE = "55P03"
_LOCK = 7308896  # so that one of several processes that start migrates, and the others wait


class NewerDatabase(RuntimeError):
    """The database was written by a newer version. Nothing was changed."""


def upgrade(url: str, connect: Callable[[], Awaitable[Any]] | None = None) -> None:
    """Create the schema in a database, or upgrade it to this version. Does nothing if it is up to date.

    Blocks, so it must not be called in the thread of an event loop. While one process upgrades a PostgreSQL database,
    others wait.

    Args:
        url: `sqlite:///PATH`, or any URL that begins with `postgresql://`.
        connect: opens a connection of asyncpg to the PostgreSQL database, with settings of its own; None to connect to
            the URL.

    Raises:
        NewerDatabase: the database has a schema version that this version does not know.
        UnsuitableDatabase: the PostgreSQL server is too old or a standby, or the database has an unsuitable encoding or
            locale.
    """
    if url.startswith("postgresql://"):
        asyncio.run(_upgrade_postgres(url, connect))
        return
    if _revision_of_file(url.removeprefix("sqlite:///")) == revisions()[-1]:
        return
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            _upgrade(connection)
    finally:
        engine.dispose()


def _revision_of_file(path: str) -> str | None:
    # Asked without SQLAlchemy, whose engine takes longer to make than the rest of opening a database of this version.
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=0)) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:  # an empty, locked or unreadable file: SQLAlchemy waits, and raises what callers expect
        return None
    return found[0] if found else None


class UnsuitableDatabase(OSError):
    """The PostgreSQL server is too old or a standby, or the database sorts or folds texts unlike SQLite.

    Nothing was changed.
    """


async def _upgrade_postgres(url: str, connect: Callable[[], Awaitable[Any]] | None) -> None:
    import asyncpg
    from sqlalchemy.ext.asyncio import create_async_engine  # needs greenlet, which only `tailwire[postgres]` installs

    def make_connection(*_: Any, **__: Any) -> Any:  # the driver reads the URL itself: it accepts more than SQLAlchemy
        return asyncpg.connect(url) if connect is None else connect()

    engine = create_async_engine("postgresql+asyncpg://", async_creator=make_connection, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            _check((await connection.execute(text(_PROPERTIES_SQL))).one())
            await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            await connection.commit()
            await connection.run_sync(_upgrade_between_locks)
    finally:
        await engine.dispose()


def _upgrade_between_locks(connection: Connection) -> None:
    # While a change of a table waits for those who use it, such as a backup, all others wait behind it. So it waits for
    # a short time only, lets the others go first, and tries again.
    for attempt in itertools.count():
        try:
            connection.execute(text(f"SET lock_timeout = {round(LOCK_SECONDS * 1000)}"))
            connection.commit()
            _upgrade(connection)
        except Exception as e:
            connection.rollback()
            if _state_of(e) != LOCK_NOT_AVAILABLE:
                raise
            if not attempt:
                log.warning("the upgrade of the database waits until others, such as a backup, release its tables")
            time.sleep(LOCK_PAUSE_SECONDS)
        else:
            return


def _state_of(error: BaseException) -> str:
    # SQLAlchemy's errors have the driver's one in `orig`.
    return str(getattr(getattr(error, "orig", error), "sqlstate", ""))


def _check(properties: Any) -> None:
    version, encoding, sorts_by_code, lowered, standby = properties
    if version < OLDEST_POSTGRES * 10_000:
        raise UnsuitableDatabase(f"PostgreSQL {version // 10_000} is too old: use {OLDEST_POSTGRES} or newer")
    if standby:
        raise UnsuitableDatabase(
            "this PostgreSQL server is a standby, which cannot be written: name the primary, or all servers with"
            " target_session_attrs=primary; after a fail-over, start again when the standby has been promoted"
        )
    if encoding != "UTF8" or not sorts_by_code or lowered != LOWERED:
        raise UnsuitableDatabase(
            "the database needs the encoding UTF8 and the locale C.UTF-8, of the providers builtin or libc: create it"
            " with CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE 'C.UTF-8'"
        )


def _upgrade(connection: Connection) -> None:
    known, current = revisions(), current_revision(connection)
    if current == known[-1]:
        return
    if current is not None and current not in known:
        raise NewerDatabase(
            f"the database has schema version {current}, this version of tailwire knows up to "
            f"{known[-1]}: start the newer version, or use another --data folder or database"
        )
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    if current is None and connection.dialect.name == "postgresql":
        command.stamp(config, BEFORE_POSTGRES)
    command.upgrade(config, "head")
    connection.commit()


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def current_revision(connection: Connection) -> str | None:
    """Return the revision in Alembic's table of a database, or None if the database has no such table or row."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


@functools.cache
def revisions() -> list[str]:
    """Return the revisions that this version knows, such as `0008`, oldest first.

    They are the beginnings of the names of the files in `migrations/versions`.
    """
    return sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
