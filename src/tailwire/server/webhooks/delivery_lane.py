"""Sends the queued deliveries of one webhook in order, one at a time, and retries those that fail.

A delivery is retried after 10 and then 30 seconds, as by CometChat. After that, the delays grow up to a limit, and end
some time after the first attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tailwire.server.due_work import DueWork
from tailwire.server.ports.retry_delays import FIRST_DELAYS_SECONDS, retry_delay
from tailwire.server.ports.store import Store
from tailwire.server.ports.webhook_records import DeliveryRow, WebhookRow
from tailwire.server.ports.world import World
from tailwire.server.telemetry.log_limit import LogLimit
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics
from tailwire.server.webhooks.post import Poster

BATCH_SIZE = 50
CATCH_UP_AFTER_SECONDS = 60  # after a longer outage, waiting deliveries are sent at once
MAX_CATCH_UP_FAILURES = 3  # in a row


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Decides when a failed delivery is retried.

    Attributes:
        retry_for: for how many seconds after its first attempt a delivery is retried.
        longest_gap: the longest time between two attempts in seconds, before the jitter is added.
    """

    retry_for: float
    longest_gap: float

    def next_try(self, tries: int, first: int, now: int, chance: float) -> int | None:
        """Return when to retry a delivery that has failed, in seconds since 1970; None if it is not retried any longer.

        Args:
            tries: the number of attempts so far, at least 1.
            first: the time of the first attempt, in seconds since 1970.
            now: the present time, in seconds since 1970.
            chance: a random number in [0, 1), for the jitter.
        """
        if tries <= len(FIRST_DELAYS_SECONDS):
            return now + int(retry_delay(tries, self.longest_gap, chance))
        end = first + int(self.retry_for)
        if now >= end:
            return None
        gap = retry_delay(tries, self.longest_gap, chance)
        return min(now + max(1, int(gap)), end)


class WebhookLane:
    """Sends the queued deliveries of one webhook.

    Args:
        webhook_id: the webhook.
        poster: makes the requests.
        retries: decides when a failed delivery is retried.
        is_mine: returns whether this server, of several that share the store, sends for the webhook.
    """

    def __init__(
        self,
        webhook_id: str,
        store: Store,
        world: World,
        metrics: Metrics,
        poster: Poster,
        retries: RetryPolicy,
        is_mine: Callable[[], bool] = lambda: True,
    ) -> None:
        self._id = webhook_id
        self._store = store
        self._world = world
        self._metrics = metrics
        self._poster = poster
        self._retries = retries
        self._work = DueWork(
            f"tailwire webhook {webhook_id}",
            world,
            self._send_due,
            self._next_due,
            is_mine,
        )
        self._posting = False
        self._failing_since: int | None = None
        self._failures_in_a_row = 0
        self._logged = False
        self._log_limit = LogLimit()
        # After an outage, the waiting deliveries are sent in order even if they are not due. The two ids are those of
        # the delivery that was attempted last, and of the newest one at the end of the outage.
        self._catching_up: tuple[int, int] | None = None

    def wake(self) -> None:
        """Start to send the deliveries that are due, in the background. Return at once."""
        self._work.wake()

    async def _send_due(self) -> bool:
        # Returns whether more deliveries may be due.
        webhook = await self._store.webhooks.get(self._id)
        rows = await self._next_rows()
        for row in rows:
            if not self._work.may_continue:
                break
            if self._catching_up is not None:
                self._catching_up = (row.id, self._catching_up[1])
            before = self._catching_up is None
            if webhook is None or not webhook.enabled:
                await self._store.deliveries.give_up(row, self._world.seconds(), "the webhook is disabled", tried=False)
            else:
                await self._send_delivery(webhook, row)
            if (self._catching_up is None) is not before:
                return True  # the order has changed
        if not rows and self._catching_up is not None:
            self._catching_up = None
            return True
        return bool(rows)

    async def _next_due(self) -> int | None:
        return await self._store.deliveries.next_due(self._id)

    async def _next_rows(self) -> list[DeliveryRow]:
        if self._catching_up is not None:
            return await self._store.deliveries.waiting_between(self._id, *self._catching_up, BATCH_SIZE)
        return await self._store.deliveries.due_deliveries(self._id, self._world.seconds(), BATCH_SIZE)

    async def _send_delivery(self, webhook: WebhookRow, row: DeliveryRow) -> None:
        self._posting = True
        try:
            problem = await self._poster.post(webhook, row, self._world.seconds())
        finally:
            self._posting = False
        now = self._world.seconds()
        if not problem:
            self._metrics.count_webhook_attempt(self._id, "sent")
            await self._store.deliveries.remove_delivered(row, now)
            await self._record_success(now)
            return
        self._record_failure(now, problem)
        first = row.first_try_at or now
        due = self._retries.next_try(row.attempt + 1, first, now, self._world.chance()) if webhook.retry else None
        if due is not None:
            self._metrics.count_webhook_attempt(self._id, "put off")
            await self._store.deliveries.put_off(row, due, now, problem)
        else:
            self._metrics.count_webhook_attempt(self._id, "given up")
            await self._store.deliveries.give_up(row, now, problem)

    def _record_failure(self, now: int, problem: str) -> None:
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= MAX_CATCH_UP_FAILURES:
            self._catching_up = None
        if self._failing_since is None:
            self._failing_since = now
        if not self._logged and self._log_limit.allows(now):
            self._logged = True
            log.warning("webhook %s fails: %s", self._id, problem)

    async def _record_success(self, now: int) -> None:
        self._failures_in_a_row = 0
        since, self._failing_since = self._failing_since, None
        if since is None:
            return
        if self._logged:
            self._logged = False
            waiting = self._store.deliveries.waiting_counts().get(self._id, 0)
            log.info("webhook %s works again after %d s; %d deliveries are waiting", self._id, now - since, waiting)
        if now - since >= CATCH_UP_AFTER_SECONDS and self._catching_up is None:
            self._catching_up = (0, await self._store.deliveries.last_id(self._id))

    @property
    def idle(self) -> bool:
        """Whether no delivery is being sent, and no later attempt is scheduled."""
        return self._work.idle

    async def close(self) -> None:
        """Stop sending. The queue in the store is kept.

        A request that is in progress is cancelled, and its delivery will be sent again. If no request is in progress,
        this waits until the last delivery that was sent is removed from the queue, so that it is not sent again.
        """
        await self._work.close(lambda: self._posting)
