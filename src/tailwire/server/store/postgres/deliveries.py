"""Writes the queue of deliveries to webhooks, and those that were given up, and keeps their counts in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from tailwire.server.ports.webhook_records import DeliveryRow, WebhookState
from tailwire.server.store.postgres.drafts import Entry
from tailwire.server.store.postgres.unit import Answer, Unit
from tailwire.server.store.postgres.work import Work
from tailwire.server.store.sql.deliveries import QUEUE_FULL, STATE_SQL, DeliveryRows
from tailwire.server.telemetry.logs import log

_COUNTS_SQL = (
    "SELECT webhook, failed_at IS NULL, count(*), min(queued_at) FROM deliveries GROUP BY webhook, failed_at IS NULL"
)
_SUCCEEDED_SQL = """INSERT INTO webhook_states (webhook, last_success_at) VALUES (:webhook, :now::bigint)
ON CONFLICT (webhook) DO UPDATE SET last_success_at = excluded.last_success_at, failing_since = NULL"""
_FAILED_SQL = """INSERT INTO webhook_states (webhook, last_failure_at, last_failure, failing_since)
VALUES (:webhook, :now::bigint, :problem, :now::bigint)
ON CONFLICT (webhook) DO UPDATE SET last_failure_at = excluded.last_failure_at, last_failure = excluded.last_failure,
failing_since = coalesce(webhook_states.failing_since, excluded.failing_since)"""
_OLDEST_SQL = """UPDATE deliveries SET failed_at = :now::bigint, problem = :problem WHERE id IN (SELECT id FROM
deliveries
WHERE webhook = :webhook AND failed_at IS NULL ORDER BY id OFFSET 0 LIMIT greatest(0, (SELECT count(*) FROM deliveries
WHERE webhook = :webhook AND failed_at IS NULL) - :most::bigint))"""
_OLD_SQL = "DELETE FROM deliveries WHERE webhook = :webhook AND failed_at IS NOT NULL AND failed_at <= :before::bigint"
# Another process may have queued some before it learned that the webhook was removed.
_FOR_NOBODY_SQL = "DELETE FROM deliveries WHERE NOT EXISTS (SELECT FROM webhooks w WHERE w.id = deliveries.webhook)"
_BEYOND_SQL = """DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE webhook = :webhook
AND failed_at IS NOT NULL ORDER BY failed_at DESC, id DESC OFFSET :most::bigint)"""

MAX_COUNTS = 3


class Deliveries(DeliveryRows):
    """`DeliveryStore` on PostgreSQL. Each process keeps its own counts in memory; `load` reads them again."""

    def __init__(self, work: Work) -> None:
        super().__init__(work.reads)
        self._work = work
        self._waiting: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._since: dict[str, int] = {}
        self._changes = 0  # how often a count has changed otherwise than by `load`
        self._giving_up: dict[str, asyncio.Task[None]] = {}
        self._max_waiting = 100_000
        self._max_failed = 10_000
        self._failed_seconds = 7 * 86_400

    def set_limits(self, *, waiting: int, failed: int, seconds: int) -> None:
        self._max_waiting, self._max_failed, self._failed_seconds = waiting, failed, seconds

    async def load(self) -> None:
        """Count the deliveries of each webhook.

        What is queued or sent meanwhile may be counted or not, so the count is repeated, `MAX_COUNTS` times at most.
        """
        for _ in range(MAX_COUNTS):
            changes = self._changes
            rows = await self._db.rows(_COUNTS_SQL)
            if changes == self._changes:
                break
        self._waiting, self._failed, self._since = Counter(), Counter(), {}
        for webhook, waits, count, oldest in rows:
            (self._waiting if waits else self._failed)[webhook] = count
            if waits:
                self._since[webhook] = oldest

    def waiting_counts(self) -> dict[str, int]:
        return {webhook: count for webhook, count in self._waiting.items() if count > 0}

    def failed_counts(self) -> dict[str, int]:
        return {webhook: count for webhook, count in self._failed.items() if count > 0}

    def waiting_since(self, webhook_id: str) -> int | None:
        return self._since.get(webhook_id) if self._waiting[webhook_id] > 0 else None

    async def state(self, webhook_id: str) -> WebhookState:
        await self.load()
        success, failure, problem, failing_since = await self._db.first_row(STATE_SQL, (webhook_id,)) or (None,) * 4
        return WebhookState(
            last_success_at=success,
            last_failure_at=failure,
            last_failure=problem,
            failing_since=failing_since,
            waiting=self._waiting[webhook_id],
            waiting_since=self.waiting_since(webhook_id),
            failed=self._failed[webhook_id],
        )

    async def find(self, webhook_id: str, *, failed: bool, limit: int, offset: int) -> tuple[list[DeliveryRow], int]:
        await self.load()
        rows = await self._listed(webhook_id, failed, limit, offset)
        return rows, (self._failed if failed else self._waiting)[webhook_id]

    def count_added(self, webhook_id: str) -> None:
        """Count a delivery whose commit has queued it, and give up the oldest if too many wait."""
        self._changes += 1
        self._waiting[webhook_id] += 1
        self._since.setdefault(webhook_id, self._work.world.seconds())
        if self._waiting[webhook_id] > self._max_waiting and webhook_id not in self._giving_up:
            given_up = self._give_up_oldest(webhook_id)
            counting = self._count_again(webhook_id, given_up)
            self._giving_up[webhook_id] = asyncio.get_running_loop().create_task(counting, name="tailwire deliveries")

    def _give_up_oldest(self, webhook_id: str) -> asyncio.Future[Answer]:
        now = self._work.world.seconds()
        unit = Unit()
        unit.run(_OLDEST_SQL, webhook=webhook_id, most=self._max_waiting, now=now, problem=QUEUE_FULL)
        self._trim(unit, webhook_id, now)
        return self._work.lane.submit(Entry(unit=unit))

    async def _count_again(self, webhook_id: str, given_up: asyncio.Future[Answer]) -> None:
        # Counts when the oldest have been given up, and gives up those that were queued meanwhile.
        try:
            await given_up
            await self.load()
            while self._waiting[webhook_id] > self._max_waiting:
                await self._give_up_oldest(webhook_id)
                await self.load()
        except Exception as e:  # noqa: BLE001 - the next delivery that is queued tries again
            log.warning("waiting webhook deliveries beyond the limit were not given up yet: %s", e)
        finally:
            del self._giving_up[webhook_id]

    def stop(self) -> None:
        """Stop giving up deliveries beyond the limit."""
        for task in self._giving_up.values():
            task.cancel()

    def _count_down(self, counts: Counter[str], webhook_id: str) -> None:
        # Not below 0: `load` may have counted without the delivery before the answer to its removal arrived.
        self._changes += 1
        counts[webhook_id] = max(0, counts[webhook_id] - 1)

    def _trim(self, unit: Unit, webhook_id: str, now: int) -> None:
        unit.run(_OLD_SQL, webhook=webhook_id, before=now - self._failed_seconds)
        unit.run(_BEYOND_SQL, webhook=webhook_id, most=self._max_failed)

    async def remove_delivered(self, row: DeliveryRow, now: int) -> None:
        unit = Unit()
        unit.rows("DELETE FROM deliveries WHERE id = :id::bigint RETURNING failed_at IS NULL AS waited", id=row.id)
        unit.end_if("NOT EXISTS (SELECT FROM webhooks WHERE id = :webhook)", webhook=row.webhook)
        unit.run(_SUCCEEDED_SQL, webhook=row.webhook, now=now)
        found = (await self._work.carry_out(unit)).results[0]
        if found:
            self._count_down(self._waiting if found[0]["waited"] else self._failed, row.webhook)

    async def put_off(self, row: DeliveryRow, due_at: int, now: int, problem: str) -> None:
        unit = Unit()
        unit.run_required(
            "UPDATE deliveries SET attempt = attempt + 1, due_at = :due_at::bigint,"
            " first_try_at = coalesce(first_try_at, :now::bigint), last_try_at = :now::bigint, problem = :problem"
            " WHERE id = :id::bigint AND failed_at IS NULL",
            due_at=due_at, now=now, problem=problem, id=row.id,
        )  # fmt: skip
        unit.run(_FAILED_SQL, webhook=row.webhook, now=now, problem=problem)
        await self._work.carry_out(unit)

    async def give_up(self, row: DeliveryRow, now: int, problem: str, *, tried: bool = True) -> None:
        unit = Unit()
        unit.run_required(
            "UPDATE deliveries SET attempt = attempt + :tries::int, failed_at = :now::bigint, problem = :problem,"
            " first_try_at = coalesce(first_try_at, :at::bigint), last_try_at = coalesce(:at::bigint, last_try_at)"
            " WHERE id = :id::bigint AND failed_at IS NULL",
            tries=int(tried), now=now, problem=problem, at=now if tried else None, id=row.id,
        )  # fmt: skip
        if tried:
            unit.run(_FAILED_SQL, webhook=row.webhook, now=now, problem=problem)
        self._trim(unit, row.webhook, now)
        if (await self._work.carry_out(unit)).ended is None:
            await self.load()

    async def send_again(self, webhook_id: str, ids: Sequence[int]) -> int:
        unit = Unit()
        unit.run_required(
            "UPDATE deliveries SET attempt = 0, due_at = 0, first_try_at = NULL, failed_at = NULL"
            " WHERE webhook = :webhook"
            " AND id IN (SELECT CAST(value AS bigint) FROM jsonb_array_elements_text(:ids::jsonb) AS t (value))",
            webhook=webhook_id, ids=list(ids),
        )  # fmt: skip
        done = int((await self._work.carry_out(unit)).results[0])
        await self.load()
        return done

    async def forget_old_failures(self, now: int) -> None:
        unit = Unit()
        for webhook_id in list(self._failed):
            self._trim(unit, webhook_id, now)
        unit.run(_FOR_NOBODY_SQL)
        await self._work.carry_out(unit)
        await self.load()

    def forget(self, webhook_id: str) -> None:
        """Forget the counts of a webhook, after the commit that removed it and its deliveries."""
        self._changes += 1
        self._waiting.pop(webhook_id, None)
        self._failed.pop(webhook_id, None)
        self._since.pop(webhook_id, None)
