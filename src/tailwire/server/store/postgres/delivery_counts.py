"""Counts the deliveries of each webhook in memory, and marks the oldest as failed if too many wait."""

from __future__ import annotations

import asyncio
from collections import Counter

from tailwire.server.store.postgres.access import DatabaseAccess
from tailwire.server.store.postgres.drafts import Entry
from tailwire.server.store.postgres.unit import Answer, Unit
from tailwire.server.store.sql.deliveries import QUEUE_FULL
from tailwire.server.telemetry.logs import log

_COUNTS_SQL = (
    "SELECT webhook, failed_at IS NULL, count(*), min(queued_at) FROM deliveries GROUP BY webhook, failed_at IS NULL"
)
_OLDEST_SQL = """UPDATE deliveries SET failed_at = :now::bigint, problem = :problem WHERE id IN (SELECT id FROM
deliveries
WHERE webhook = :webhook AND failed_at IS NULL ORDER BY id OFFSET 0 LIMIT greatest(0, (SELECT count(*) FROM deliveries
WHERE webhook = :webhook AND failed_at IS NULL) - :most::bigint))"""
_OLD_SQL = "DELETE FROM deliveries WHERE webhook = :webhook AND failed_at IS NOT NULL AND failed_at <= :before::bigint"
_BEYOND_SQL = """DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE webhook = :webhook
AND failed_at IS NOT NULL ORDER BY failed_at DESC, id DESC OFFSET :most::bigint)"""

MAX_COUNTS = 3


class DeliveryCounts:
    """How many deliveries each webhook has, as this process knows. Other processes change them too: see `load`.

    Attributes:
        waiting, failed: how many deliveries wait, and how many have failed for good, by the id of the webhook.
        max_waiting, max_failed: how many of each are kept for one webhook.
        failed_seconds: how long failed ones are kept.
    """

    def __init__(self, access: DatabaseAccess) -> None:
        self._access = access
        self.waiting: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._since: dict[str, int] = {}
        self._changes = 0  # how often a count has changed otherwise than by `load`
        self._giving_up: dict[str, asyncio.Task[None]] = {}
        self.max_waiting = 100_000
        self.max_failed = 10_000
        self.failed_seconds = 7 * 86_400

    async def load(self) -> None:
        """Replace the counts with those of the database.

        If this process queues or removes a delivery meanwhile, the database is read again, at most `MAX_COUNTS` times
        in all. After that the counts may be wrong by such a delivery until the next `load`.
        """
        for _ in range(MAX_COUNTS):
            changes = self._changes
            rows = await self._access.reads.rows(_COUNTS_SQL)
            if changes == self._changes:
                break
        self.waiting, self.failed, self._since = Counter(), Counter(), {}
        for webhook, waits, count, oldest in rows:
            (self.waiting if waits else self.failed)[webhook] = count
            if waits:
                self._since[webhook] = oldest

    def waiting_since(self, webhook_id: str) -> int | None:
        """Return when the oldest waiting delivery was queued, in seconds since 1970; None if none waits.

        If that delivery was sent after the last `load`, its time is still returned, so the result is too early.
        """
        return self._since.get(webhook_id) if self.waiting[webhook_id] > 0 else None

    def add(self, webhook_id: str) -> None:
        """Count a delivery. Call this after the commit that queued it.

        If more than `max_waiting` wait, a task is started that marks the oldest as failed.
        """
        self._changes += 1
        self.waiting[webhook_id] += 1
        self._since.setdefault(webhook_id, self._access.world.seconds())
        if self.waiting[webhook_id] > self.max_waiting and webhook_id not in self._giving_up:
            counting = self._count_again(webhook_id, self._give_up_oldest(webhook_id))
            self._giving_up[webhook_id] = asyncio.get_running_loop().create_task(counting, name="tailwire deliveries")

    def remove(self, webhook_id: str, *, waited: bool) -> None:
        """Stop counting a delivery that was sent and removed.

        Args:
            waited: True if it counts as waiting; False if it counts as failed, and was sent again.
        """
        self._changes += 1
        counts = self.waiting if waited else self.failed
        # Not below 0: `load` may have counted without the delivery before the answer to its removal arrived.
        counts[webhook_id] = max(0, counts[webhook_id] - 1)

    def forget(self, webhook_id: str) -> None:
        """Forget the counts of a webhook that was removed."""
        self._changes += 1
        self.waiting.pop(webhook_id, None)
        self.failed.pop(webhook_id, None)
        self._since.pop(webhook_id, None)

    def trim(self, unit: Unit, webhook_id: str, now: int) -> None:
        """Add to a unit the steps that remove failed deliveries of a webhook beyond `failed_seconds` and `max_failed`.

        Args:
            now: seconds since 1970.
        """
        unit.run(_OLD_SQL, webhook=webhook_id, before=now - self.failed_seconds)
        unit.run(_BEYOND_SQL, webhook=webhook_id, most=self.max_failed)

    def _give_up_oldest(self, webhook_id: str) -> asyncio.Future[Answer]:
        now = self._access.world.seconds()
        unit = Unit()
        unit.run(_OLDEST_SQL, webhook=webhook_id, most=self.max_waiting, now=now, problem=QUEUE_FULL)
        self.trim(unit, webhook_id, now)
        return self._access.lane.submit(Entry(unit=unit))

    async def _count_again(self, webhook_id: str, given_up: asyncio.Future[Answer]) -> None:
        # Counts when the oldest have been marked, and marks those that were queued meanwhile.
        try:
            await given_up
            await self.load()
            while self.waiting[webhook_id] > self.max_waiting:
                await self._give_up_oldest(webhook_id)
                await self.load()
        except Exception as e:  # noqa: BLE001 - the next delivery that is queued tries again
            log.warning("waiting webhook deliveries beyond the limit were not given up yet: %s", e)
        finally:
            del self._giving_up[webhook_id]

    def stop(self) -> None:
        """Cancel the running tasks that mark deliveries beyond the limit as failed."""
        for task in self._giving_up.values():
            task.cancel()
