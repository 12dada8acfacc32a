"""Connections to PostgreSQL, with bounds for everything that could wait without limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

CONNECT_SECONDS = 5.0
CACHED_STATEMENTS = 256  # of one connection: filters of lists have many shapes
UNUSABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What the driver may raise if a connection cannot be made or used. After any of these except a `PostgresError`, it may
be left in the middle of an exchange: close the connection."""

_BOUNDS = {
    "idle_in_transaction_session_timeout": "2s",
    "idle_session_timeout": "0",
    "tcp_keepalives_idle": "5",
    "tcp_user_timeout": "10s",
    "jit": "off",
    # What is decided under the lock of a batch must see what was committed before the lock was granted, whatever the
    # operator has set for other programs.
    "default_transaction_isolation": "read committed",
}
_WRITER_BOUNDS = {
    **_BOUNDS,
    "lock_timeout": "4s",
    "statement_timeout": "10s",
    # Each statement of a batch finds its rows by keys. Plans made while the tables are empty must do so too.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
_LISTENER_BOUNDS = {
    **_BOUNDS,
    "statement_timeout": "4s",
    "synchronous_commit": "off",  # its transactions only notify: there is nothing to write to the disk
}
PATIENT = {**_BOUNDS, "idle_in_transaction_session_timeout": "0", "lock_timeout": "0", "statement_timeout": "0"}
"""The `bounds` of a connection without timeouts, which waits for other processes or changes the schema."""
_TRANSACTION_TIMEOUT_SQL = (  # there since PostgreSQL 17
    "SELECT set_config('transaction_timeout', '{}', false) WHERE current_setting('server_version_num')::int >= 170000"
)


async def connect(
    url: str, name: str, bounds: Mapping[str, str], *, transaction_timeout: str = "0", **more: Any
) -> Connection:
    """Return a new connection with its own PostgreSQL settings, which override those of the role and the database.

    A statement makes the settings, because poolers refuse or ignore unknown settings at the start of a connection.

    Args:
        name: what the connection is for, such as `reader`; a part of its `application_name`, which operators see.
        bounds: the settings by name, mostly timeouts.
        transaction_timeout: how long a transaction may take, such as `5s`; "0" for no bound. Ignored by PostgreSQL
            before version 17.
        more: further arguments of `asyncpg.connect`.

    Raises:
        One of `UNUSABLE`: the connection cannot be made.
    """
    server_settings = {"application_name": f"tailwire {name}"}
    connection: Connection = await asyncpg.connect(
        url, timeout=CONNECT_SECONDS, server_settings=server_settings, **more
    )
    try:
        settings = ", ".join(f"set_config('{setting}', '{value}', false)" for setting, value in bounds.items())
        both = f"SELECT {settings}; {_TRANSACTION_TIMEOUT_SQL.format(transaction_timeout)}"
        await connection.execute(both, timeout=CONNECT_SECONDS)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def connect_writer(url: str) -> Connection:
    """Return a new connection for a queue of writes (`Lane`, `ReceiptLane`).

    Raises:
        One of `UNUSABLE`: the connection cannot be made.
    """
    return await connect(url, "writer", _WRITER_BOUNDS, transaction_timeout="5s")


async def connect_reader(url: str, deadline: float) -> Connection:
    """Return a new connection for reads and single writes.

    Args:
        deadline: seconds after which the database cancels a statement.

    Raises:
        One of `UNUSABLE`: the connection cannot be made.
    """
    bounds = {**_BOUNDS, "lock_timeout": "4s", "statement_timeout": str(max(1, int(deadline * 1000)))}
    return await connect(url, "reader", bounds, statement_cache_size=CACHED_STATEMENTS)


async def connect_listener(url: str) -> Connection:
    """Return a new connection for LISTEN and NOTIFY.

    Raises:
        One of `UNUSABLE`: the connection cannot be made.
    """
    return await connect(url, "listener", _LISTENER_BOUNDS)
