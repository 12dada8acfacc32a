"""Lets several servers share a database: presence over all of them, background work done by one, and divided limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tailwire.server.actions.cleanup import Cleanup
from tailwire.server.actions.ephemeral import Ephemeral
from tailwire.server.app.opening import AnyStore
from tailwire.server.config import Settings
from tailwire.server.fanout.hub import Hub
from tailwire.server.fanout.presence import SharedPresence, SingleProcessPresence
from tailwire.server.ports.broker import DELIVERIES_SUBJECT, DeliveriesQueued
from tailwire.server.ports.changes import SEEN, Change
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.uploads import Uploads
from tailwire.server.store.sqlite import SqliteStore
from tailwire.server.telemetry.logs import log
from tailwire.server.webhooks.sender import WebhookSender

if TYPE_CHECKING:
    from tailwire.server.store.postgres.processes import EndedProcess
    from tailwire.server.store.postgres.store import PostgresStore

AnyPresence = SingleProcessPresence | SharedPresence
CLEANUP_LEASE, WEBHOOK_LEASE = "cleanup", "webhook/"
QUEUED_SECONDS = 0.05
"""How long this server collects the ids of webhooks with new deliveries before it notifies the servers that send them.
"""
TURNS_PER_CHECK = 5
"""After this many renewals of its leases a server checks the queues in the store for work, in case a notification from
another server was lost: for deliveries to webhooks, and for files to be removed.
"""


class Limit(Protocol):
    """A limit for the whole app. Each server grants an equal share of it."""

    def divide(self, servers: int) -> None:
        """Grant only 1/`servers` of the limit from now on."""


class PushLeases(Protocol):
    """The background work for push notifications, which one of several servers does for all (see `pushing.Push`).

    Attributes:
        leases: the names of the leases that this work needs; this server tries to take them.
        holds: returns whether this server has the lease with a name; set by `ServerCooperation`.
    """

    leases: list[str]
    holds: Callable[[str], bool]

    def wake(self) -> None:
        """Have the lanes of all providers check the queues in the store for notifications to send. Returns at once."""


def make_presence(store: AnyStore, hub: Hub) -> AnyPresence:
    """Return the object that knows who is online: on PostgreSQL at all servers of the database, else at this one."""
    if isinstance(store, SqliteStore):
        return SingleProcessPresence(hub)

    def forget(uids: Iterable[str]) -> None:
        store.feed.report([Change(0, SEEN, uid) for uid in uids])

    return SharedPresence(hub, store.presence, forget)


class ServerCooperation:
    """Makes a server cooperate with the others on its PostgreSQL database.

    It takes the leases for background work that only one server does, divides limits, follows who is online at other
    servers, and notifies the server that sends for a webhook when deliveries are queued here.

    Args:
        ephemeral: publishes that users went offline with a server that has died.
        webhooks, push, cleanup: background work that is done here only while this server has the lease for it.
        uploads: the storage of files. At the start, incomplete files of servers that have ended are removed from it.
        limits: the limits for the whole app, which are divided by the number of servers.
    """

    def __init__(
        self, settings: Settings, store: PostgresStore, hub: Hub, presence: SharedPresence, ephemeral: Ephemeral,
        webhooks: WebhookSender, push: PushLeases, cleanup: Cleanup, uploads: Uploads, limits: Sequence[Limit],
    ) -> None:  # fmt: skip
        self._grace = settings.presence_grace
        self._store = store
        self._hub = hub
        self._presence = presence
        self._ephemeral = ephemeral
        self._webhooks = webhooks
        self._push = push
        self._cleanup = cleanup
        self._uploads = uploads
        self._limits = limits
        self._tasks: set[asyncio.Task[None]] = set()
        self._queued: dict[str, None] = {}  # webhooks whose senders are notified soon
        self._lease_lock = asyncio.Lock()
        self._turn = 0
        self._servers = 1

    async def start(self) -> None:
        """Take the leases that are free, read who is online at the other servers, and follow changes from now on.

        Raises:
            Refused: the store does not answer.
        """
        store = self._store
        store.lane.grace = self._grace
        self._cleanup.is_mine = lambda: store.leases.holds(CLEANUP_LEASE)
        store.upkeep.cleans = self._cleanup.is_mine
        self._webhooks.sends_for = lambda webhook_id: store.leases.holds(WEBHOOK_LEASE + webhook_id)
        self._push.holds = store.leases.holds
        self._webhooks.on_elsewhere = self._on_queued_elsewhere
        self._hub.on_deliveries = lambda queued: self._webhooks.wake_for(queued.webhooks)
        self._hub.broker.subscribe(DELIVERIES_SUBJECT)
        self._presence.on_returned = lambda uids: self.start_task(self._ephemeral.publish_online_again(uids))
        store.processes.on_ended(self._on_process_ended)
        store.processes.on_servers(self._divide)
        store.leases.on_taken(self._on_leases_taken)
        store.feed.listen(self._on_changes)
        await store.processes.renew()
        await self._uploads.remove_incomplete()
        await self._presence.start()
        await self._take_leases()
        store.upkeep.on_renewed(self._on_renewed)

    async def _on_renewed(self) -> None:
        await self._take_leases()
        await self._presence.look(self._store.processes.alive)
        self._push.wake()
        self._turn += 1
        if self._turn % TURNS_PER_CHECK == 0:
            if self._cleanup.is_mine():
                self._cleanup.wake()
            self._webhooks.wake_for([webhook.id for webhook in await self._store.webhooks.list_all()])

    # Leases.

    async def _take_leases(self) -> None:
        async with self._lease_lock:  # one that began earlier must not give up what a later one has taken
            webhooks = await self._store.webhooks.list_all()
            await self._store.leases.take(
                [CLEANUP_LEASE, *self._push.leases, *(WEBHOOK_LEASE + webhook.id for webhook in webhooks)]
            )

    def _on_changes(self, changes: Sequence[Change] | None) -> None:
        if changes is not None and any(kind == "webhook" for _, kind, _ in changes):
            self.start_task(self._take_leases())

    def _on_leases_taken(self, names: frozenset[str]) -> None:
        if CLEANUP_LEASE in names:
            self._cleanup.wake()
        self._webhooks.wake_for(
            [name.removeprefix(WEBHOOK_LEASE) for name in sorted(names) if name.startswith(WEBHOOK_LEASE)]
        )

    def _on_queued_elsewhere(self, webhook_ids: list[str]) -> None:
        if not self._queued:
            asyncio.get_running_loop().call_later(QUEUED_SECONDS, self._publish_queued)
        self._queued.update(dict.fromkeys(webhook_ids))

    def _publish_queued(self) -> None:
        webhook_ids, self._queued = tuple(self._queued), {}
        self._hub.broker.publish(DELIVERIES_SUBJECT, DeliveriesQueued(webhook_ids))

    # Other servers.

    def _divide(self, servers: int) -> None:
        if servers != self._servers:
            log.info("servers on this database: %d", servers)
        self._servers = servers
        for limit in self._limits:
            limit.divide(servers)

    def _on_process_ended(self, ended: EndedProcess) -> None:
        self._presence.forget_process(ended.process)
        self.start_task(self._ephemeral.publish_offline(ended.offline, ended.at))

    def start_task(self, action: Coroutine[Any, Any, None]) -> None:
        """Schedule a coroutine in the background; `close` cancels it. If it raises `Refused`, that is only logged."""
        task = asyncio.get_running_loop().create_task(self._log_failure(action), name="tailwire servers")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _log_failure(self, action: Coroutine[Any, Any, None]) -> None:
        try:
            await action
        except Refused as e:
            log.warning("a change at another server was not followed: %s", e)

    async def close(self) -> None:
        """Cancel the background tasks and stop storing presence."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        await self._presence.close()
