"""Connections to PostgreSQL, with bounds for everything that could wait without limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

CONNECT_SECONDS = 5.0
CACHED_STATEMENTS = 256  # of one connection: filters of lists have many shapes
UNUSABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Errors of a connection that cannot be made or used. The driver may be left in the middle of an exchange."""

_BOUNDS = {
    "idle_in_transaction_session_timeout": "2s",
    "tcp_keepalives_idle": "5",
    "tcp_user_timeout": "10s",
    "jit": "off",
}
_WRITER_BOUNDS = {
    **_BOUNDS,
    "application_name": "tailwire writer",
    "lock_timeout": "4s",
    "statement_timeout": "10s",
    # Each statement of a batch finds its rows by keys. Plans made while the tables are empty must do so too.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
_TRANSACTION_TIMEOUT = (  # there since PostgreSQL 17
    "SELECT set_config('transaction_timeout', '5s', false) WHERE current_setting('server_version_num')::int >= 170000"
)


async def connect_writer(url: str) -> Connection:
    """Return a new connection for a lane.

    Raises:
        One of `UNUSABLE`: the connection cannot be made.
    """
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings=_WRITER_BOUNDS)
    try:
        await connection.execute(_TRANSACTION_TIMEOUT, timeout=CONNECT_SECONDS)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def connect_reader(url: str, deadline: float) -> Connection:
    """Return a new connection for reads and single writes.

    Args:
        deadline: seconds after which the database ends a statement.

    Raises:
        One of `UNUSABLE`: the connection cannot be made.
    """
    bounds = {
        **_BOUNDS,
        "application_name": "tailwire reader",
        "lock_timeout": "4s",
        "statement_timeout": str(max(1, int(deadline * 1000))),
    }
    return await asyncpg.connect(
        url, timeout=CONNECT_SECONDS, server_settings=bounds, statement_cache_size=CACHED_STATEMENTS
    )


async def connect_listener(url: str) -> Connection:
    """Return a new connection for LISTEN and NOTIFY.

    Raises:
        One of `UNUSABLE`: the connection cannot be made.
    """
    bounds = {
        **_BOUNDS,
        "application_name": "tailwire listener",
        "statement_timeout": "4s",
        "synchronous_commit": "off",  # its transactions only notify: there is nothing to write to the disk
    }
    return await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings=bounds)
