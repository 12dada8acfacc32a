"""Makes the broker that the settings name."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from functools import partial
from typing import TYPE_CHECKING

from tailwire import __version__
from tailwire.server.actions.changes import ChangeFrames
from tailwire.server.actions.delivery import Delivery
from tailwire.server.app.opening import AnyStore, postgres_url
from tailwire.server.broker.memory import MemoryBroker
from tailwire.server.broker.nats import NatsBroker, parse_addresses
from tailwire.server.config import Settings
from tailwire.server.fanout.hub import Hub
from tailwire.server.fanout.log import MessageLog
from tailwire.server.process_name import process_name
from tailwire.server.store.sqlite import SqliteStore
from tailwire.server.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from tailwire.server.broker.notify import NotifyBroker
    from tailwire.server.store.postgres.store import PostgresStore


def make_broker(settings: Settings, store: AnyStore, metrics: Metrics) -> MemoryBroker | MessageLog:
    """Return the broker of a server: in memory on SQLite, else one that reaches the other servers on the database.

    The latter uses NATS if the setting `broker` names it, otherwise LISTEN and NOTIFY. It is not connected yet: see
    `start_broker`.

    Raises:
        OSError: the setting `broker` or `broker_ca` cannot be used.
    """
    if isinstance(store, SqliteStore):
        return MemoryBroker()
    remote = _nats_broker(settings, store, metrics) if settings.broker else _database_broker(settings, store, metrics)
    return MessageLog(remote, store.log, store.feed, metrics, asyncio.get_running_loop())


def _nats_broker(settings: Settings, store: PostgresStore, metrics: Metrics) -> NatsBroker:
    try:
        servers = parse_addresses(settings.broker)
    except ValueError as e:
        raise OSError(f"broker: {e}") from e
    try:
        context = ssl.create_default_context(cafile=settings.broker_ca or None)
    except (OSError, ssl.SSLError) as e:
        raise OSError(f"broker_ca: the file {settings.broker_ca} cannot be used: {e}") from e
    return NatsBroker(servers, context, store.app_id, f"tailwire {process_name()}", __version__, metrics)


def _database_broker(settings: Settings, store: PostgresStore, metrics: Metrics) -> NotifyBroker:
    from tailwire.server.broker.notify import NotifyBroker  # needs the driver of PostgreSQL
    from tailwire.server.store.postgres.connecting import connect_listener

    lane = store.lane
    connect = partial(connect_listener, postgres_url(settings))
    return NotifyBroker(connect, secrets.token_hex(8), lambda: lane.backend, metrics)


async def start_broker(
    broker: MemoryBroker | MessageLog, store: AnyStore, hub: Hub, delivery: Delivery, frames: ChangeFrames
) -> MessageLog | None:
    """Connect a broker of `make_broker` to the other servers on the database. On SQLite, do nothing.

    Args:
        hub: the sockets of this process.
        delivery: encodes messages that were read from the store.
        frames: encodes changes that were read from the store.

    Returns:
        The broker, which must be closed; None on SQLite.

    Raises:
        Refused: the store does not answer.
    """
    if isinstance(broker, MemoryBroker) or isinstance(store, SqliteStore):
        return None
    broker.attach(hub, delivery.publication_of_logged, frames.shared_frame)
    await broker.start()
    store.lane.observer = broker
    return broker
