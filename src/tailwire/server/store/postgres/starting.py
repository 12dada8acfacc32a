"""Lets only one server at a time start on a database: the first one creates the schema, the app and its keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tailwire.server.store.postgres.connecting import UNUSABLE, Connection, connect_reader

WAIT_SECONDS = 60.0
STARTING_LOCK = 7308898
_BACKEND_SQL = "SELECT pg_backend_pid()"


class StartedElsewhere(OSError):
    """Another server has been starting for too long."""


class PooledTransactions(OSError):
    """The database is behind a pooler that may give each transaction another connection, which loses locks."""


@asynccontextmanager
async def starting_alone(url: str) -> AsyncIterator[None]:
    """Wait until no other server is starting on a database, and keep others from starting within the context.

    The lock belongs to a connection, so a server that is killed releases it.

    Raises:
        StartedElsewhere: another server has been starting for `WAIT_SECONDS`.
        PooledTransactions: the database is behind a pooler that does not keep sessions.
        OSError: the database cannot be used.
    """
    try:
        connection = await connect_reader(url, WAIT_SECONDS)
    except UNUSABLE as e:
        raise OSError(f"the PostgreSQL database cannot be used: {e}") from e
    try:
        await _check_session(url, connection)
        await connection.execute(f"SET lock_timeout = '{int(WAIT_SECONDS)}s'; SET statement_timeout = 0")
        await connection.execute(f"SELECT pg_advisory_lock({STARTING_LOCK})", timeout=None)
        yield
    except asyncpg.LockNotAvailableError as e:
        raise StartedElsewhere(
            f"another server has been starting on this PostgreSQL database for {WAIT_SECONDS:g} s: look at its log,"
            " and start this one again"
        ) from e
    finally:
        connection.terminate()


async def _check_session(url: str, connection: Connection) -> None:
    # Such a pooler loses locks, settings and LISTEN without an error. It gives the connection that was just used to the
    # next transaction, and another one to this session while that transaction is open.
    try:
        other = await connect_reader(url, WAIT_SECONDS)
    except UNUSABLE as e:
        raise OSError(f"the PostgreSQL database cannot be used: {e}") from e
    try:
        first = await _backend(connection)
        async with other.transaction(readonly=True):
            kept = await other.fetchval(_BACKEND_SQL) != first and await _backend(connection) == first
    except asyncpg.InvalidSQLStatementNameError:  # prepared on another connection
        kept = False
    finally:
        other.terminate()
    if not kept:
        raise PooledTransactions(
            "the pooler in front of the PostgreSQL database gives each transaction another connection: set"
            " pool_mode = session for this database, or connect to it directly"
        )


async def _backend(connection: Connection) -> int:
    async with connection.transaction(readonly=True):
        return int(await connection.fetchval(_BACKEND_SQL))
