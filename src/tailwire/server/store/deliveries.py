"""The queue of what webhooks are told, and what was given up of it. How many there are is known without counting."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tailwire.server.ports.webhook_records import DeliveryRow, WebhookState
from tailwire.server.store.access import Access

_COLUMNS = ", ".join(DeliveryRow._fields)
_WAITING = f"SELECT {_COLUMNS} FROM deliveries WHERE webhook = ? AND failed_at IS NULL"
QUEUE_FULL = "too many were waiting: the oldest were given up"

_TOLD = """INSERT INTO webhook_states (webhook, last_success_at) VALUES (?, ?)
ON CONFLICT (webhook) DO UPDATE SET last_success_at = excluded.last_success_at, failing_since = NULL"""
_NOT_TOLD = """INSERT INTO webhook_states (webhook, last_failure_at, last_failure, failing_since)
VALUES (?1, ?2, ?3, ?2)
ON CONFLICT (webhook) DO UPDATE SET last_failure_at = excluded.last_failure_at, last_failure = excluded.last_failure,
failing_since = coalesce(failing_since, excluded.failing_since)"""


class Deliveries(Access):
    """Deliveries that wait, and deliveries that were given up, by webhook."""

    _seconds: Callable[[], int]
    _waiting: Counter[str]
    _failed: Counter[str]
    _most_waiting = 100_000
    _most_failed = 10_000
    _failed_for = 7 * 86_400

    def keep_deliveries(self, *, waiting: int, failed: int, seconds: int) -> None:
        """Say how many deliveries may wait for one webhook, how many that were given up are kept, and how long."""
        self._most_waiting, self._most_failed, self._failed_for = waiting, failed, seconds

    def _count_deliveries(self, c: sqlite3.Connection) -> None:
        # At the start, and after a transaction was undone.
        waiting: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        for sql, found in (("IS NULL", waiting), ("IS NOT NULL", failed)):
            found.update(
                dict(c.execute(f"SELECT webhook, count(*) FROM deliveries WHERE failed_at {sql} GROUP BY webhook"))
            )
        self._waiting, self._failed = waiting, failed

    # Read.

    def waiting_deliveries(self) -> dict[str, int]:
        """How many wait, by webhook."""
        return {webhook: count for webhook, count in list(self._waiting.items()) if count > 0}

    def failed_deliveries(self) -> dict[str, int]:
        """How many were given up and are kept, by webhook."""
        return {webhook: count for webhook, count in list(self._failed.items()) if count > 0}

    def waiting_since(self, webhook_id: str) -> int | None:
        """When the oldest that waits was queued, or None when none waits."""
        row = self._one(
            "SELECT queued_at FROM deliveries WHERE webhook = ? AND failed_at IS NULL ORDER BY id LIMIT 1",
            (webhook_id,),
        )
        return row[0] if row else None

    async def webhook_state(self, webhook_id: str) -> WebhookState:
        """How a webhook's deliveries fare."""
        sql = (
            "SELECT last_success_at, last_failure_at, last_failure, failing_since FROM webhook_states WHERE webhook = ?"
        )
        row = self._one(sql, (webhook_id,)) or (None, None, None, None)
        success, failure, problem, failing_since = row
        return WebhookState(
            last_success_at=success,
            last_failure_at=failure,
            last_failure=problem,
            failing_since=failing_since,
            waiting=self._waiting[webhook_id],
            waiting_since=self.waiting_since(webhook_id),
            failed=self._failed[webhook_id],
        )

    async def due_deliveries(self, webhook_id: str, now: int, most: int) -> list[DeliveryRow]:
        """What is to be told by now: new ones in order, then those to be tried again."""
        rows = await self._rows(f"{_WAITING} AND due_at <= ? ORDER BY due_at, id LIMIT ?", (webhook_id, now, most))
        return [DeliveryRow._make(row) for row in rows]

    async def deliveries_between(self, webhook_id: str, after: int, up_to: int, most: int) -> list[DeliveryRow]:
        """What waits, due or not, in order."""
        rows = await self._rows(
            f"{_WAITING} AND id > ? AND id <= ? ORDER BY id LIMIT ?", (webhook_id, after, up_to, most)
        )
        return [DeliveryRow._make(row) for row in rows]

    async def last_delivery(self, webhook_id: str) -> int:
        """The id of the newest that waits, or 0."""
        sql = "SELECT id FROM deliveries WHERE webhook = ? AND failed_at IS NULL ORDER BY id DESC LIMIT 1"
        row = self._one(sql, (webhook_id,))
        return int(row[0]) if row else 0

    async def next_delivery(self, webhook_id: str) -> int | None:
        """When the next is due, or None when none waits."""
        sql = "SELECT due_at FROM deliveries WHERE webhook = ? AND failed_at IS NULL ORDER BY due_at LIMIT 1"
        row = self._one(sql, (webhook_id,))
        return int(row[0]) if row else None

    async def deliveries(
        self, webhook_id: str, *, failed: bool, limit: int, offset: int
    ) -> tuple[list[DeliveryRow], int]:
        """A page of those that were given up, newest first, or of those that wait, oldest first; and how many."""
        if failed:
            condition, order = "failed_at IS NOT NULL", "failed_at DESC, id DESC"
        else:
            condition, order = "failed_at IS NULL", "id"
        sql = f"SELECT {_COLUMNS} FROM deliveries WHERE webhook = ? AND {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        rows = await self._rows(sql, (webhook_id, limit, offset))
        return [DeliveryRow._make(row) for row in rows], (self._failed if failed else self._waiting)[webhook_id]

    async def delivery(self, webhook_id: str, delivery_id: int) -> DeliveryRow | None:
        """One of a webhook, or None."""
        row = self._one(f"SELECT {_COLUMNS} FROM deliveries WHERE id = ? AND webhook = ?", (delivery_id, webhook_id))
        return DeliveryRow._make(row) if row else None

    async def failed_ids(self, webhook_id: str) -> list[int]:
        """The ids of those that were given up, oldest first."""
        sql = "SELECT id FROM deliveries WHERE webhook = ? AND failed_at IS NOT NULL ORDER BY id"
        return [row[0] for row in await self._rows(sql, (webhook_id,))]

    # Write.

    def _enqueue(self, c: sqlite3.Connection, webhook_id: str, trigger: str, body: bytes) -> None:
        now = self._seconds()
        c.execute(
            "INSERT INTO deliveries (webhook, trigger, body, attempt, due_at, queued_at) VALUES (?, ?, ?, 0, 0, ?)",
            (webhook_id, trigger, body, now),
        )
        self._waiting[webhook_id] += 1
        if self._waiting[webhook_id] > self._most_waiting:
            sql = "SELECT id FROM deliveries WHERE webhook = ? AND failed_at IS NULL ORDER BY id LIMIT 1"
            (oldest,) = c.execute(sql, (webhook_id,)).fetchone()
            c.execute("UPDATE deliveries SET failed_at = ?, problem = ? WHERE id = ?", (now, QUEUE_FULL, oldest))
            self._moved_to_failed(c, webhook_id, now)

    def _moved_to_failed(self, c: sqlite3.Connection, webhook_id: str, now: int) -> None:
        self._waiting[webhook_id] -= 1
        self._failed[webhook_id] += 1
        self._trim(c, webhook_id, now)

    def _trim(self, c: sqlite3.Connection, webhook_id: str, now: int) -> None:
        old = "DELETE FROM deliveries WHERE webhook = ? AND failed_at IS NOT NULL AND failed_at <= ?"
        self._failed[webhook_id] -= c.execute(old, (webhook_id, now - self._failed_for)).rowcount
        beyond = self._failed[webhook_id] - self._most_failed
        if beyond > 0:
            first = (
                "SELECT id FROM deliveries WHERE webhook = ? AND failed_at IS NOT NULL ORDER BY failed_at, id LIMIT ?"
            )
            c.execute(f"DELETE FROM deliveries WHERE id IN ({first})", (webhook_id, beyond))
            self._failed[webhook_id] -= beyond

    async def delivered(self, row: DeliveryRow, now: int) -> None:
        """Take a delivery that was told out of the queue."""

        def told(c: sqlite3.Connection) -> None:
            found = c.execute("DELETE FROM deliveries WHERE id = ? RETURNING failed_at", (row.id,)).fetchone()
            if found is not None:  # else its webhook was deleted meanwhile
                (self._waiting if found[0] is None else self._failed)[row.webhook] -= 1
                c.execute(_TOLD, (row.webhook, now))

        await self._writer.submit(told)

    async def put_off(self, row: DeliveryRow, due_at: int, now: int, problem: str) -> None:
        """Note that a delivery could not be told; try it again later."""

        def put(c: sqlite3.Connection) -> None:
            sql = """UPDATE deliveries SET attempt = attempt + 1, due_at = ?, first_try_at = coalesce(first_try_at, ?),
                last_try_at = ?, problem = ? WHERE id = ? AND failed_at IS NULL"""
            if c.execute(sql, (due_at, now, now, problem, row.id)).rowcount:
                c.execute(_NOT_TOLD, (row.webhook, now, problem))

        await self._writer.submit(put)

    async def give_up(self, row: DeliveryRow, now: int, problem: str, *, tried: bool = True) -> None:
        """Keep a delivery among those that were given up."""

        def give(c: sqlite3.Connection) -> None:
            sql = """UPDATE deliveries SET attempt = attempt + ?, failed_at = ?, problem = ?,
                first_try_at = coalesce(first_try_at, ?), last_try_at = coalesce(?, last_try_at)
                WHERE id = ? AND failed_at IS NULL"""
            at = now if tried else None
            if c.execute(sql, (int(tried), now, problem, at, at, row.id)).rowcount:
                if tried:
                    c.execute(_NOT_TOLD, (row.webhook, now, problem))
                self._moved_to_failed(c, row.webhook, now)

        await self._writer.submit(give)

    async def send_again(self, webhook_id: str, ids: Sequence[int]) -> int:
        """Make deliveries due now, as if they had not been tried; how many there were."""

        def again(c: sqlite3.Connection) -> int:
            done = 0
            for delivery_id in ids:
                sql: Any = "SELECT failed_at FROM deliveries WHERE id = ? AND webhook = ?"
                found = c.execute(sql, (delivery_id, webhook_id)).fetchone()
                if found is None:
                    continue
                sql = (
                    "UPDATE deliveries SET attempt = 0, due_at = 0, first_try_at = NULL, failed_at = NULL WHERE id = ?"
                )
                c.execute(sql, (delivery_id,))
                done += 1
                if found[0] is not None:
                    self._failed[webhook_id] -= 1
                    self._waiting[webhook_id] += 1
            return done

        return await self._writer.submit(again)

    async def forget_old_failures(self, now: int) -> None:
        """Delete what was given up long enough ago."""

        def forget(c: sqlite3.Connection) -> None:
            for webhook_id in list(self._failed):
                self._trim(c, webhook_id, now)

        await self._writer.submit(forget)

    def _forget_deliveries(self, c: sqlite3.Connection, webhook_id: str) -> None:
        c.execute("DELETE FROM deliveries WHERE webhook = ?", (webhook_id,))
        c.execute("DELETE FROM webhook_states WHERE webhook = ?", (webhook_id,))
        self._waiting.pop(webhook_id, None)
        self._failed.pop(webhook_id, None)
