"""The parts of a simulated server that cooperate with other servers: real code, on the simulated database."""

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
    """The clock of a server, which follows that of the database as the real one does."""

    def milliseconds(self) -> int:
        """Return milliseconds since 1970."""
        return World.milliseconds(self)

    def seconds(self) -> int:
        """Return whole seconds since 1970."""
        return World.seconds(self)


class Receiver:
    """The receiver of a webhook, in place of `webhooks.post.Poster`: it answers each delivery after a while."""

    def __init__(self, gate: Gate, store: PostgresStore, observed: Observations) -> None:
        self._gate = gate
        self._store = store
        self._observed = observed

    async def post(self, webhook: WebhookRow, row: DeliveryRow, now: int) -> str:
        """Take a delivery. Return "" if it was accepted, otherwise why not."""
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
    """Decides what is published when a user comes online or goes offline; the frame itself is not simulated."""

    def __init__(self, store: Any, is_online: Callable[[str], bool], world: ServerClock, presence: Presence) -> None:
        directory = SimpleNamespace(is_online=is_online)
        services = SimpleNamespace(store=store, directory=directory, authorizer=None, delivery=None, world=world)
        super().__init__(cast(Any, services), cast(Any, None), cast(Any, None), 0, lambda: True, presence)

    async def _announce_presence(self, uid: str, action: str, feature: str = "", platform: str = "") -> None: ...


async def _nothing(*_: object) -> None: ...


class Parts:
    """The lane, the leases, the presence, the webhooks and the push notifications of one server.

    Args:
        fails: returns whether the database does not answer.
        dead: returns whether the server was killed.
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
        """Connect these parts with the fan-out."""
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
        """Return whether a user is online anywhere, as this server sees it."""
        return self._hub.is_online(uid) or self.presence.is_online_elsewhere(uid)

    async def open(self) -> None:
        """Register this server in the database."""
        store = self.store
        await store.lane.open()
        store.upkeep.start()
        await store.webhooks.load()
        await store.deliveries.load()

    async def start(self) -> None:
        """Start the work that a server does because there may be other servers.

        Raises:
            Refused: the database does not answer.
        """
        await self.several.start()
        self.store.upkeep.cleans = lambda: False  # nothing becomes old here
        self.webhooks.wake()
        await self.push.start()

    async def close(self, log: MessageLog) -> None:
        """Shut down gracefully, as a real server does."""
        await self.several.close()
        gateway = SimpleNamespace(close=_nothing)
        await shut_down(cast(Any, gateway), self.webhooks, [self.simulated_push.close], cast(Any, self.store), log)
