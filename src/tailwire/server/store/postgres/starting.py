"""Makes servers start one after the other: the first one creates the schema, the app and its keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tailwire.server.store.postgres.connecting import UNUSABLE, connect_reader

WAIT_SECONDS = 60.0
STARTING_LOCK = 7308898


class StartedElsewhere(OSError):
    """Another server has been starting for too long."""


@asynccontextmanager
async def starting_alone(url: str) -> AsyncIterator[None]:
    """Hold the lock with which servers start. It ends with its connection, so a killed server does not keep it.

    Raises:
        StartedElsewhere: another server has held it for `WAIT_SECONDS`.
        OSError: the database cannot be used.
    """
    try:
        connection = await connect_reader(url, WAIT_SECONDS)
    except UNUSABLE as e:
        raise OSError(f"the PostgreSQL database cannot be used: {e}") from e
    try:
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
