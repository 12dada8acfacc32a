"""Sends queued deliveries to all webhooks, each in its own task (lane), so that a slow webhook does not delay others.

The queues are in the store and survive a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics, WebhookQueue
from tailwire.server.webhooks.delivery_lane import RetryPolicy, WebhookLane
from tailwire.server.webhooks.post import Poster

CLEANUP_INTERVAL_SECONDS = 3600.0
MAX_LANES = 50  # twice the webhooks of an app; idle lanes, such as those of deleted webhooks, are removed


class WebhookSender:
    """Sends queued deliveries, for each webhook in their order.

    Attributes:
        sends_for: a function that returns whether this server sends for the webhook with an id. It always returns True
            unless several servers share the store.
        on_elsewhere: a callback, called by `wake` with the ids of webhooks that have waiting deliveries and for which
            another server sends.
    """

    def __init__(self, store: Store, world: World, metrics: Metrics, poster: Poster, retries: RetryPolicy) -> None:
        self._store = store
        self._world = world
        self._metrics = metrics
        self._poster = poster
        self._retries = retries
        self._loop = asyncio.get_running_loop()
        self._lanes: dict[str, WebhookLane] = {}
        self._closed = False
        self.sends_for: Callable[[str], bool] = lambda webhook_id: True
        self.on_elsewhere: Callable[[list[str]], None] = lambda webhook_ids: None
        self._cleanup: asyncio.Task[None] | None = None
        metrics.webhook_queues = self.queues

    def wake(self) -> None:
        """Start to send the due deliveries of all webhooks, in the background. Return at once."""
        if self._closed:
            return
        if self._cleanup is None and self._store.deliveries.failed_counts():
            self._cleanup = self._loop.create_task(self._forget_old_failures(), name="tailwire webhooks cleanup")
        waiting = self._store.deliveries.waiting_counts()
        if len(self._lanes) > MAX_LANES:
            self._lanes = {name: lane for name, lane in self._lanes.items() if name in waiting or not lane.idle}
        self.wake_for(waiting)
        elsewhere = [webhook_id for webhook_id in waiting if not self.sends_for(webhook_id)]
        if elsewhere:
            self.on_elsewhere(elsewhere)

    def wake_for(self, webhook_ids: Iterable[str]) -> None:
        """Start to send the due deliveries of some webhooks, in the background. Return at once.

        Args:
            webhook_ids: the ids of the webhooks. Those for which another server sends are ignored.
        """
        for webhook_id in webhook_ids:
            if self._closed or not self.sends_for(webhook_id):
                continue
            lane = self._lanes.get(webhook_id)
            if lane is None:
                lane = self._lanes[webhook_id] = WebhookLane(
                    webhook_id, self._store, self._world, self._metrics, self._poster, self._retries,
                    partial(self._sends, webhook_id),
                )  # fmt: skip
            lane.wake()

    def _sends(self, webhook_id: str) -> bool:
        return self.sends_for(webhook_id)

    async def _forget_old_failures(self) -> None:
        while self._store.deliveries.failed_counts():
            try:
                with suppress(Refused):  # the store cannot write, and logs that
                    await self._store.deliveries.forget_old_failures(self._world.seconds())
            except Exception:  # noqa: BLE001 - the next removal must follow
                log.exception("old failed deliveries could not be removed; trying again in an hour")
            await asyncio.sleep(CLEANUP_INTERVAL_SECONDS)
        self._cleanup = None

    def queues(self) -> Iterator[WebhookQueue]:
        """Yield the state of each queue that has waiting or failed deliveries, for `/metrics`."""
        waiting, failed = self._store.deliveries.waiting_counts(), self._store.deliveries.failed_counts()
        now = self._world.seconds()
        for webhook_id in sorted(waiting.keys() | failed.keys()):
            since = self._store.deliveries.waiting_since(webhook_id)
            age = 0 if since is None else max(0, now - since)
            yield WebhookQueue(webhook_id, waiting.get(webhook_id, 0), age, failed.get(webhook_id, 0))

    async def close(self) -> None:
        """Stop sending, as in `WebhookLane.close`, and close all connections. The queues in the store are kept."""
        self._closed = True
        if self._cleanup is not None:
            self._cleanup.cancel()
            await asyncio.wait([self._cleanup])
        for lane in self._lanes.values():
            await lane.close()
        await self._poster.close()
