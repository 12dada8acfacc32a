"""Writes the queue of deliveries to webhooks, and the deliveries that failed and are kept for a while."""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.server.ports.webhook_records import DeliveryRow, WebhookState
from tailwire.server.store.postgres.access import DatabaseAccess
from tailwire.server.store.postgres.delivery_counts import DeliveryCounts
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sql.deliveries import STATE_SQL, DeliveryRows

_SUCCEEDED_SQL = """INSERT INTO webhook_states (webhook, last_success_at) VALUES (:webhook, :now::bigint)
ON CONFLICT (webhook) DO UPDATE SET last_success_at = excluded.last_success_at, failing_since = NULL"""
_FAILED_SQL = """INSERT INTO webhook_states (webhook, last_failure_at, last_failure, failing_since)
VALUES (:webhook, :now::bigint, :problem, :now::bigint)
ON CONFLICT (webhook) DO UPDATE SET last_failure_at = excluded.last_failure_at, last_failure = excluded.last_failure,
failing_since = coalesce(webhook_states.failing_since, excluded.failing_since)"""
# Another process may have queued some before it learned that the webhook was removed.
_FOR_NOBODY_SQL = "DELETE FROM deliveries WHERE NOT EXISTS (SELECT FROM webhooks w WHERE w.id = deliveries.webhook)"


class Deliveries(DeliveryRows):
    """`DeliveryStore` on PostgreSQL. Each process counts the deliveries in memory; `load` counts them again."""

    def __init__(self, access: DatabaseAccess) -> None:
        super().__init__(access.reads)
        self._access = access
        self._counts = DeliveryCounts(access)

    def set_limits(self, *, max_waiting: int, max_failed: int, failed_seconds: int) -> None:
        self._counts.max_waiting, self._counts.max_failed, self._counts.failed_seconds = (
            max_waiting,
            max_failed,
            failed_seconds,
        )

    async def load(self) -> None:
        """Replace the counts in memory with those of the database."""
        await self._counts.load()

    def waiting_counts(self) -> dict[str, int]:
        return {webhook: count for webhook, count in self._counts.waiting.items() if count > 0}

    def failed_counts(self) -> dict[str, int]:
        return {webhook: count for webhook, count in self._counts.failed.items() if count > 0}

    def waiting_since(self, webhook_id: str) -> int | None:
        return self._counts.waiting_since(webhook_id)

    async def state(self, webhook_id: str) -> WebhookState:
        await self.load()
        success, failure, problem, failing_since = await self._db.first_row(STATE_SQL, (webhook_id,)) or (None,) * 4
        return WebhookState(
            last_success_at=success,
            last_failure_at=failure,
            last_failure=problem,
            failing_since=failing_since,
            waiting=self._counts.waiting[webhook_id],
            waiting_since=self.waiting_since(webhook_id),
            failed=self._counts.failed[webhook_id],
        )

    async def find(self, webhook_id: str, *, failed: bool, limit: int, offset: int) -> tuple[list[DeliveryRow], int]:
        await self.load()
        rows = await self._listed(webhook_id, failed, limit, offset)
        return rows, (self._counts.failed if failed else self._counts.waiting)[webhook_id]

    def count_added(self, webhook_id: str) -> None:
        """Count a delivery. Call this after the commit that queued it.

        If more than the limit wait, a task is started that marks the oldest as failed.
        """
        self._counts.add(webhook_id)

    def stop(self) -> None:
        """Cancel the running tasks that mark deliveries beyond the limit as failed: the store is being closed."""
        self._counts.stop()

    async def remove_delivered(self, row: DeliveryRow, now: int) -> None:
        unit = Unit()
        unit.run_returning(
            "DELETE FROM deliveries WHERE id = :id::bigint RETURNING failed_at IS NULL AS waited", id=row.id
        )
        unit.end_if("NOT EXISTS (SELECT FROM webhooks WHERE id = :webhook)", webhook=row.webhook)
        unit.run(_SUCCEEDED_SQL, webhook=row.webhook, now=now)
        found = (await self._access.carry_out(unit)).results[0]
        if found:
            self._counts.remove(row.webhook, waited=found[0]["waited"])

    async def put_off(self, row: DeliveryRow, due_at: int, now: int, problem: str) -> None:
        unit = Unit()
        unit.run_required(
            "UPDATE deliveries SET attempt = attempt + 1, due_at = :due_at::bigint,"
            " first_try_at = coalesce(first_try_at, :now::bigint), last_try_at = :now::bigint, problem = :problem"
            " WHERE id = :id::bigint AND failed_at IS NULL",
            due_at=due_at, now=now, problem=problem, id=row.id,
        )  # fmt: skip
        unit.run(_FAILED_SQL, webhook=row.webhook, now=now, problem=problem)
        await self._access.carry_out(unit)

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
        self._counts.trim(unit, row.webhook, now)
        if (await self._access.carry_out(unit)).ended is None:
            await self.load()

    async def send_again(self, webhook_id: str, ids: Sequence[int]) -> int:
        unit = Unit()
        unit.run_required(
            "UPDATE deliveries SET attempt = 0, due_at = 0, first_try_at = NULL, failed_at = NULL"
            " WHERE webhook = :webhook"
            " AND id IN (SELECT CAST(value AS bigint) FROM jsonb_array_elements_text(:ids::jsonb) AS t (value))",
            webhook=webhook_id, ids=list(ids),
        )  # fmt: skip
        done = int((await self._access.carry_out(unit)).results[0])
        await self.load()
        return done

    async def forget_old_failures(self, now: int) -> None:
        unit = Unit()
        for webhook_id in list(self._counts.failed):
            self._counts.trim(unit, webhook_id, now)
        unit.run(_FOR_NOBODY_SQL)
        await self._access.carry_out(unit)
        await self.load()

    def forget(self, webhook_id: str) -> None:
        """Forget the counts of a webhook, after the commit that removed it and its deliveries."""
        self._counts.forget(webhook_id)
