"""The parts of a simulated server that cooperate with other servers: the server's real code on a simulated database."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from tailwire.server.actions.ephemeral import Ephemeral
from tailwire.server.app.several import ServerCooperation, make_presence
from tailwire.server.config import Settings
from tailwire.server.fanout.hub import Hub
from tailwire.server.fanout.log import MessageLog
from tailwire.server.fanout.presence import SharedPresence
from tailwire.server.ports.presence import Presence
from tailwire.server.ports.webhook_records import DeliveryRow, WebhookRow
from tailwire.server.ports.world import World
from tailwire.server.shutdown import shut_down
from tailwire.server.store.postgres.database import Database
from tailwire.server.store.postgres.lane import Lane
from tailwire.server.store.postgres.store import PostgresStore
from tailwire.server.telemetry.metrics import Metrics
from tailwire.server.webhooks.delivery_lane import RetryPolicy
from tailwire.server.webhooks.post import Poster
from tailwire.server.webhooks.sender import WebhookSender
from tailwire.testing.simulation.servers_connection import Gate
from tailwire.testing.simulation.servers_database import SimulatedDatabase
from tailwire.testing.simulation.servers_observed import Observations, Outcome
from tailwire.testing.simulation.servers_push import SimulatedPush
from tailwire.testing.virtual.world import VirtualServerWorld

CLOCK_ERRORS_SECONDS = (0.0, 0.0, 0.4, 300.0, -3600.0)
LONGEST_GAP_SECONDS = 30.0
RECEIVER_SECONDS = (0.005, 0.1, 1.0)


class ServerClock(VirtualServerWorld):
    """The clock of a simulated server. Its time follows the clock of the database, as a real server's does."""

    def milliseconds(self) -> int:
        """Return milliseconds since 1970 by the clock of the database."""
        return World.milliseconds(self)

    def seconds(self) -> int:
        """Return whole seconds since 1970 by the clock of the database."""
        return World.seconds(self)


class Receiver:
    """The receiver of a webhook: it answers each delivery after a random time. It replaces `webhooks.post.Poster`.

    Args:
        gate: the connections to the database of the server that sends.
        store: the store of that server.
        observed: records the deliveries.
    """

    def __init__(self, gate: Gate, store: PostgresStore, observed: Observations) -> None:
        self._gate = gate
        self._store = store
        self._observed = observed

    async def post(self, webhook: WebhookRow, row: DeliveryRow, now: int) -> str:
        """Receive a delivery, and answer. Return "" if it is accepted, otherwise the reason why not."""
        post = self._observed.record_post(self._gate, self._store.lane.process, row)
        await asyncio.sleep(self._gate.chance.choice(RECEIVER_SECONDS))
        if asyncio.get_running_loop().time() < self._observed.refuses_until:
            post.outcome = Outcome.REFUSED
            return "HTTP 503"
        post.outcome = Outcome.SENT
        return ""

    async def close(self) -> None:
        """Do nothing."""


class Notices(Ephemeral):
    """The server's code that runs when a user comes online or goes offline, without the frames that it would publish.

    Args:
        store: stores when users were last online.
        is_online: returns whether a user is online on any server.
        world: the clock.
        presence: knows who is online on which server.
    """

    def __init__(self, store: Any, is_online: Callable[[str], bool], world: ServerClock, presence: Presence) -> None:
        directory = SimpleNamespace(is_online=is_online)
        services = SimpleNamespace(store=store, directory=directory, authorizer=None, delivery=None, world=world)
        super().__init__(cast(Any, services), cast(Any, None), cast(Any, None), 0, lambda: True, presence)

    async def _announce_presence(self, uid: str, action: str, feature: str = "", platform: str = "") -> None: ...


async def _nothing(*_: object) -> None: ...


class Parts:
    """What a server runs on the database: the queue of writes (lane), leases, presence, webhooks, push notifications.

    Args:
        number: the number of the server.
        database: the database.
        chance: the source of randomness, except for push notifications.
        fails: returns whether the database cannot be reached now.
        dead: returns whether the server was killed.
        observed: records what the server does.
        metrics: the server's metrics.
        push_chance: the source of randomness for its push notifications.
    """

    def __init__(
        self, number: int, database: SimulatedDatabase, chance: random.Random, fails: Callable[[], bool],
        dead: Callable[[], bool], observed: Observations, metrics: Metrics, push_chance: random.Random,
    ) -> None:  # fmt: skip
        self.gate = Gate(number, database, chance, fails, dead, observed.failures.append)
        self.world = ServerClock(number)
        self.world.wall_offset = chance.choice(CLOCK_ERRORS_SECONDS)
        lane = Lane(self.gate.connect, self.world, f"server {number}", serving=True)
        self.store = PostgresStore(Database("", connect=self.gate.connect), lane, self.world)
        poster = cast(Poster, Receiver(self.gate, self.store, observed))
        retries = RetryPolicy(86_400.0, LONGEST_GAP_SECONDS)
        self.webhooks = WebhookSender(cast(Any, self.store), self.world, metrics, poster, retries)
        self.store.webhooks.on_queued(self.webhooks.wake)
        self.simulated_push = SimulatedPush(
            number, database, push_chance, fails, dead, observed, self.store, self.world, metrics
        )
        self.push = self.simulated_push.push

    def join(self, hub: Hub, log: MessageLog) -> None:
        """Connect these parts with the server's hub and log. Call it once, before `open`."""
        store = self.store
        store.lane.observer = log
        presence = make_presence(store, hub)
        assert isinstance(presence, SharedPresence)
        self.presence = presence
        users = SimpleNamespace(users=SimpleNamespace(store_last_online=_nothing))
        self.notices = Notices(users, self.is_online, self.world, presence)
        cleanup = SimpleNamespace(is_mine=lambda: True, wake=lambda: None)
        uploads = SimpleNamespace(remove_incomplete=_nothing)
        self.several = ServerCooperation(
            Settings(), store, hub, presence, self.notices, self.webhooks, self.push, cast(Any, cleanup),
            cast(Any, uploads), [],
        )  # fmt: skip
        self._hub = hub

    def is_online(self, uid: str) -> bool:
        """Return whether a user is online on any server, as far as this server knows."""
        return self._hub.is_online(uid) or self.presence.is_online_elsewhere(uid)

    async def open(self) -> None:
        """Register this server in the database, and load its webhooks.

        Raises:
            Refused, or one of `connecting.UNUSABLE`: the database does not answer.
        """
        store = self.store
        await store.lane.open()
        store.upkeep.start()
        await store.webhooks.load()
        await store.deliveries.load()

    async def start(self) -> None:
        """Start the background work of these parts: what depends on other servers, webhooks, push notifications.

        Raises:
            Refused: the database does not answer.
        """
        await self.several.start()
        self.store.upkeep.cleans = lambda: False  # nothing becomes old here
        self.webhooks.wake()
        await self.push.start()

    async def close(self, log: MessageLog) -> None:
        """Shut down gracefully, with the code of a real server, which also closes the log."""
        await self.several.close()
        gateway = SimpleNamespace(close=_nothing)
        await shut_down(cast(Any, gateway), self.webhooks, [self.simulated_push.close], cast(Any, self.store), log)
