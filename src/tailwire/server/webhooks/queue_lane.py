"""What one webhook is told, in order, one at a time; and when it is tried again.

The first two gaps are documented: 10 and 30 seconds. The later ones grow; settings say how long they become, and for
how long it is tried.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.webhook_records import DeliveryRow, WebhookRow
from tailwire.server.ports.world import World
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics
from tailwire.server.webhooks.post import Poster

DOCUMENTED = (10, 30)
NEXT = 60
JITTER = 0.2
TROUBLED = 5
AT_ONCE = 50
CATCH_UP_AFTER = 60  # an outage so long makes what waited due at its end
DOWN_AGAIN = 3  # failures in a row that end the catching up
LOG_EVERY = 300  # an outage is logged at most so often, with its end


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a delivery is tried, and how long the gaps between the tries become, in seconds."""

    retry_for: float
    longest_gap: float

    def next_try(self, tries: int, first: int, now: int, chance: float) -> int | None:
        """Return when a delivery is tried again, or None when it is given up.

        Args:
            tries: how often it was tried.
            first: when it was first tried.
            chance: in [0, 1).
        """
        if tries <= len(DOCUMENTED):
            return now + DOCUMENTED[tries - 1]
        end = first + int(self.retry_for)
        if now >= end:
            return None
        gap = min(self.longest_gap, float(NEXT * 2 ** min(tries - len(DOCUMENTED) - 1, 30)))
        gap *= 1 - JITTER + 2 * JITTER * chance
        return min(now + max(1, int(gap)), end)


class Lane:
    """One webhook's deliveries: a task while something is due, a timer for what is due later."""

    def __init__(
        self, webhook_id: str, store: Store, world: World, metrics: Metrics, poster: Poster, patience: Patience
    ) -> None:
        self._id = webhook_id
        self._store = store
        self._world = world
        self._metrics = metrics
        self._poster = poster
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._more = False
        self._closed = False
        self._failing_since: int | None = None
        self._in_a_row = 0
        self._logged = False
        self._logged_at: int | None = None
        # What waited when an outage ended is told in order, due or not: (the last that was tried, the newest).
        self._catching_up: tuple[int, int] | None = None

    def wake(self) -> None:
        """Look into the queue."""
        self._more = True
        if self._task is None and not self._closed:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._task = self._loop.create_task(self._run(), name=f"tailwire webhook {self._id}")

    async def _run(self) -> None:
        try:
            while not self._closed:
                while self._more and not self._closed:
                    self._more = await self._send_due()
                due = await self._store.deliveries.next_due(self._id)
                if not self._more:  # nothing came meanwhile: from here to the end nothing is awaited
                    self._sleep_until(due)
                    break
        except Refused:  # the store cannot write, and says so itself; what was sent meanwhile is sent once more
            self._sleep_until(self._world.seconds() + TROUBLED)
        finally:
            self._task = None

    def _sleep_until(self, due: int | None) -> None:
        if due is not None and self._timer is None and not self._closed:
            wait = max(1.0, float(due - self._world.seconds()))
            self._timer = self._loop.call_later(wait, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self.wake()

    async def _send_due(self) -> bool:
        # Whether there may be more.
        self._more = False
        webhook = await self._store.webhooks.get(self._id)
        rows = await self._next_rows()
        for row in rows:
            if self._closed:
                break
            if self._catching_up is not None:
                self._catching_up = (row.id, self._catching_up[1])
            before = self._catching_up is None
            if webhook is None or not webhook.enabled:
                await self._store.deliveries.give_up(row, self._world.seconds(), "the webhook is disabled", tried=False)
            else:
                await self._send(webhook, row)
            if (self._catching_up is None) is not before:
                return True  # the order is another now
        if not rows and self._catching_up is not None:
            self._catching_up = None
            return True
        return self._more or bool(rows)

    async def _next_rows(self) -> list[DeliveryRow]:
        if self._catching_up is not None:
            return await self._store.deliveries.between(self._id, *self._catching_up, AT_ONCE)
        return await self._store.deliveries.due(self._id, self._world.seconds(), AT_ONCE)

    async def _send(self, webhook: WebhookRow, row: DeliveryRow) -> None:
        problem = await self._poster.post(webhook, row, self._world.seconds())
        now = self._world.seconds()
        if not problem:
            self._metrics.webhooks["sent"] += 1
            await self._store.deliveries.delivered(row, now)
            await self._worked(now)
            return
        self._failed(now, problem)
        first = row.first_try_at or now
        due = self._patience.next_try(row.attempt + 1, first, now, self._world.chance()) if webhook.retry else None
        if due is not None:
            self._metrics.webhooks["put off"] += 1
            await self._store.deliveries.put_off(row, due, now, problem)
        else:
            self._metrics.webhooks["given up"] += 1
            await self._store.deliveries.give_up(row, now, problem)

    def _failed(self, now: int, problem: str) -> None:
        self._in_a_row += 1
        if self._in_a_row >= DOWN_AGAIN:
            self._catching_up = None
        if self._failing_since is None:
            self._failing_since = now
        if not self._logged and (self._logged_at is None or now - self._logged_at >= LOG_EVERY):
            self._logged, self._logged_at = True, now
            log.warning("webhook %s cannot be told: %s", self._id, problem)

    async def _worked(self, now: int) -> None:
        self._in_a_row = 0
        since, self._failing_since = self._failing_since, None
        if since is None:
            return
        if self._logged:
            self._logged = False
            waiting = self._store.deliveries.waiting_counts().get(self._id, 0)
            log.info("webhook %s is told again after %d s; %d wait", self._id, now - since, waiting)
        if now - since >= CATCH_UP_AFTER and self._catching_up is None:
            self._catching_up = (0, await self._store.deliveries.last_id(self._id))

    @property
    def idle(self) -> bool:
        """Whether nothing is under way or planned."""
        return self._task is None and self._timer is None

    async def close(self) -> None:
        """Send nothing more; what is queued stays queued."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            task = self._task
            task.cancel()
            await asyncio.wait([task])
