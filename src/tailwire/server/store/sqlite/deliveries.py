"""Writes the queue of deliveries to webhooks, and the deliveries that failed and are kept for a while."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tailwire.server.ports.webhook_records import DeliveryRow, WebhookState
from tailwire.server.ports.world import World
from tailwire.server.store.sql.deliveries import QUEUE_FULL, STATE_SQL, DeliveryRows
from tailwire.server.store.sqlite.database import Database

_SUCCEEDED_SQL = """INSERT INTO webhook_states (webhook, last_success_at) VALUES (?, ?)
ON CONFLICT (webhook) DO UPDATE SET last_success_at = excluded.last_success_at, failing_since = NULL"""
_FAILED_SQL = """INSERT INTO webhook_states (webhook, last_failure_at, last_failure, failing_since)
VALUES (?1, ?2, ?3, ?2)
ON CONFLICT (webhook) DO UPDATE SET last_failure_at = excluded.last_failure_at, last_failure = excluded.last_failure,
failing_since = coalesce(failing_since, excluded.failing_since)"""


class Deliveries(DeliveryRows):
    """`DeliveryStore` on SQLite. The waiting and failed deliveries of each webhook are counted in memory."""

    def __init__(self, database: Database, world: World) -> None:
        super().__init__(database)
        self._db: Database = database
        self._world = world
        self._waiting: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._max_waiting = 100_000
        self._max_failed = 10_000
        self._failed_seconds = 7 * 86_400
        self._count(database.reader)
        database.on_rollback(self._count)

    def set_limits(self, *, max_waiting: int, max_failed: int, failed_seconds: int) -> None:
        self._max_waiting, self._max_failed, self._failed_seconds = max_waiting, max_failed, failed_seconds

    def _count(self, c: sqlite3.Connection) -> None:
        waiting: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        for sql, found in (("IS NULL", waiting), ("IS NOT NULL", failed)):
            found.update(
                dict(c.execute(f"SELECT webhook, count(*) FROM deliveries WHERE failed_at {sql} GROUP BY webhook"))
            )
        self._waiting, self._failed = waiting, failed

    def waiting_counts(self) -> dict[str, int]:
        return {webhook: count for webhook, count in list(self._waiting.items()) if count > 0}

    def failed_counts(self) -> dict[str, int]:
        return {webhook: count for webhook, count in list(self._failed.items()) if count > 0}

    def waiting_since(self, webhook_id: str) -> int | None:
        sql = "SELECT queued_at FROM deliveries WHERE webhook = ? AND failed_at IS NULL ORDER BY id LIMIT 1"
        row = self._db.reader.execute(sql, (webhook_id,)).fetchone()  # not awaited: the metrics ask for it
        return row[0] if row else None

    async def state(self, webhook_id: str) -> WebhookState:
        row = await self._db.first_row(STATE_SQL, (webhook_id,)) or (None, None, None, None)
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

    async def find(self, webhook_id: str, *, failed: bool, limit: int, offset: int) -> tuple[list[DeliveryRow], int]:
        rows = await self._listed(webhook_id, failed, limit, offset)
        return rows, (self._failed if failed else self._waiting)[webhook_id]

    def enqueue(self, c: sqlite3.Connection, webhook_id: str, trigger: str, body: bytes) -> None:
        """Queue a delivery. If too many wait for the webhook, mark its oldest one as failed.

        For use in the operation of the change that the delivery reports.

        Args:
            body: the encoded `data` of the webhook's envelope.
        """
        now = self._world.seconds()
        c.execute(
            "INSERT INTO deliveries (webhook, trigger, body, attempt, due_at, queued_at) VALUES (?, ?, ?, 0, 0, ?)",
            (webhook_id, trigger, body, now),
        )
        self._waiting[webhook_id] += 1
        if self._waiting[webhook_id] > self._max_waiting:
            sql = "SELECT id FROM deliveries WHERE webhook = ? AND failed_at IS NULL ORDER BY id LIMIT 1"
            (oldest,) = c.execute(sql, (webhook_id,)).fetchone()
            c.execute("UPDATE deliveries SET failed_at = ?, problem = ? WHERE id = ?", (now, QUEUE_FULL, oldest))
            self._count_as_failed(c, webhook_id, now)

    def _count_as_failed(self, c: sqlite3.Connection, webhook_id: str, now: int) -> None:
        self._waiting[webhook_id] -= 1
        self._failed[webhook_id] += 1
        self._trim(c, webhook_id, now)

    def _trim(self, c: sqlite3.Connection, webhook_id: str, now: int) -> None:
        old = "DELETE FROM deliveries WHERE webhook = ? AND failed_at IS NOT NULL AND failed_at <= ?"
        self._failed[webhook_id] -= c.execute(old, (webhook_id, now - self._failed_seconds)).rowcount
        beyond = self._failed[webhook_id] - self._max_failed
        if beyond > 0:
            first = (
                "SELECT id FROM deliveries WHERE webhook = ? AND failed_at IS NOT NULL ORDER BY failed_at, id LIMIT ?"
            )
            c.execute(f"DELETE FROM deliveries WHERE id IN ({first})", (webhook_id, beyond))
            self._failed[webhook_id] -= beyond

    async def remove_delivered(self, row: DeliveryRow, now: int) -> None:
        def record(c: sqlite3.Connection) -> None:
            found = c.execute("DELETE FROM deliveries WHERE id = ? RETURNING failed_at", (row.id,)).fetchone()
            if found is not None:  # else its webhook was removed meanwhile
                (self._waiting if found[0] is None else self._failed)[row.webhook] -= 1
                c.execute(_SUCCEEDED_SQL, (row.webhook, now))

        await self._db.write(record)

    async def put_off(self, row: DeliveryRow, due_at: int, now: int, problem: str) -> None:
        def put(c: sqlite3.Connection) -> None:
            sql = """UPDATE deliveries SET attempt = attempt + 1, due_at = ?, first_try_at = coalesce(first_try_at, ?),
                last_try_at = ?, problem = ? WHERE id = ? AND failed_at IS NULL"""
            if c.execute(sql, (due_at, now, now, problem, row.id)).rowcount:
                c.execute(_FAILED_SQL, (row.webhook, now, problem))

        await self._db.write(put)

    async def give_up(self, row: DeliveryRow, now: int, problem: str, *, tried: bool = True) -> None:
        def give(c: sqlite3.Connection) -> None:
            sql = """UPDATE deliveries SET attempt = attempt + ?, failed_at = ?, problem = ?,
                first_try_at = coalesce(first_try_at, ?), last_try_at = coalesce(?, last_try_at)
                WHERE id = ? AND failed_at IS NULL"""
            at = now if tried else None
            if c.execute(sql, (int(tried), now, problem, at, at, row.id)).rowcount:
                if tried:
                    c.execute(_FAILED_SQL, (row.webhook, now, problem))
                self._count_as_failed(c, row.webhook, now)

        await self._db.write(give)

    async def send_again(self, webhook_id: str, ids: Sequence[int]) -> int:
        def make_due(c: sqlite3.Connection) -> int:
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

        return await self._db.write(make_due)

    async def forget_old_failures(self, now: int) -> None:
        def forget(c: sqlite3.Connection) -> None:
            for webhook_id in list(self._failed):
                self._trim(c, webhook_id, now)

        await self._db.write(forget)

    def remove_all(self, c: sqlite3.Connection, webhook_id: str) -> None:
        """Delete the deliveries and the state of a webhook. For use in the operation that removes the webhook."""
        c.execute("DELETE FROM deliveries WHERE webhook = ?", (webhook_id,))
        c.execute("DELETE FROM webhook_states WHERE webhook = ?", (webhook_id,))
        self._waiting.pop(webhook_id, None)
        self._failed.pop(webhook_id, None)
