"""Push notifications of the simulated servers: the real code that queues and sends them, and a model of a push service.

Each user has one device. It must get one notification for each message to this user (not to the group), whether the
user is connected or not.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from tailwire.server.actions.notifying import Notifier
from tailwire.server.app.pushing import NOTIFIER_LEASE, PUSH_LEASE, Push
from tailwire.server.ports.push import Notification, SendOutcome, SendResult
from tailwire.server.ports.push_records import NotificationRow
from tailwire.server.ports.world import World
from tailwire.server.push.lane import PushLane
from tailwire.server.store.postgres.database import Database
from tailwire.server.store.postgres.store import PostgresStore
from tailwire.server.store.sql.notifications import NotificationRows
from tailwire.server.store.sql.push_tokens import PushTokenRows
from tailwire.server.telemetry.metrics import Metrics
from tailwire.testing.simulation.servers_connection import Gate
from tailwire.testing.simulation.servers_database import SimulatedDatabase
from tailwire.testing.simulation.servers_observed import Observations

PROVIDER = "web"
LEASES = (PUSH_LEASE + NOTIFIER_LEASE, PUSH_LEASE + PROVIDER)
LIFETIME_SECONDS = 1 << 40  # messages of the simulation are as old as the clock
DELAY_SECONDS = 0.3
COMPOSING_SECONDS = (0.001, 0.02, 0.5)
SERVICE_SECONDS = (0.005, 0.1, 1.0)


class Service:
    """A model of a push service, and of the code that composes notifications. It records which server sends what.

    Args:
        gate: the connections to the database of the server that sends.
        store: the store of that server.
        observed: records the notifications.
    """

    name = PROVIDER

    def __init__(self, gate: Gate, store: PostgresStore, observed: Observations) -> None:
        self._gate = gate
        self._store = store
        self._observed = observed

    async def compose(self, row: NotificationRow) -> Notification:
        """Return a notification that contains only the ids of the notification and of its message, after some time."""
        await asyncio.sleep(self._gate.chance.choice(COMPOSING_SECONDS))
        return Notification(
            title="", body="", tag="", thread="", badge=0, data={"notification": row.id, "message": row.message_id}
        )

    async def send(self, token: str, notification: Notification) -> SendOutcome:
        """Record a notification, and accept it after a random time."""
        data = notification.data
        post = self._observed.record_push(self._gate, self._store.lane.process, data["notification"], data["message"])
        await asyncio.sleep(self._gate.chance.choice(SERVICE_SECONDS))
        post.answered = True
        return SendOutcome(SendResult.SENT)

    async def close(self) -> None:
        """Do nothing."""


class SimulatedPush:
    """The push notifications of one server, with connections to the database of their own.

    Args:
        number: the number of the server.
        database: the database.
        chance: the source of randomness.
        fails: returns whether the database cannot be reached now.
        dead: returns whether the server was killed.
        observed: records the notifications.
        store: the store of the server; its `notifications` and `push_tokens` are replaced.
        world: the clock.
        metrics: the server's metrics.

    Attributes:
        push: the server's code for push notifications.
    """

    def __init__(
        self, number: int, database: SimulatedDatabase, chance: random.Random, fails: Callable[[], bool],
        dead: Callable[[], bool], observed: Observations, store: PostgresStore, world: World, metrics: Metrics,
    ) -> None:  # fmt: skip
        gate = Gate(number, database, chance, fails, dead, observed.failures.append)
        self._database = Database("", connect=gate.connect)
        store.notifications = NotificationRows(self._database)
        store.push_tokens = PushTokenRows(self._database)
        service = Service(gate, store, observed)
        lanes: dict[str, PushLane] = {}
        notifier = Notifier(
            cast(Any, store), world, delay=DELAY_SECONDS, lifetime=LIFETIME_SECONDS, is_foreground=lambda uid: False,
            left_within=lambda uid, seconds: False, queued=lambda: self.push.wake(), polls=True,
        )  # fmt: skip
        self.push = Push(notifier, lanes)
        lanes[PROVIDER] = PushLane(
            service, service, cast(Any, store), world, metrics, LIFETIME_SECONDS, partial(self.push.is_mine, PROVIDER)
        )
        self.push.leases = list(LEASES)

    async def close(self) -> None:
        """Stop sending, and close the connections to the database."""
        await self.push.close()
        await self._database.close()
