"""Reads the queue of deliveries to webhooks, and the deliveries that failed and are kept for a while."""

from __future__ import annotations

from typing import Any

from tailwire.server.ports.filters import Position
from tailwire.server.ports.webhook_records import DeliveryRow
from tailwire.server.store.sql.conditions import page_clause
from tailwire.server.store.sql.connection import Connection

COLUMNS = ", ".join(DeliveryRow._fields)
QUEUE_FULL = "too many were waiting: the oldest were given up"
STATE_SQL = "SELECT last_success_at, last_failure_at, last_failure, failing_since FROM webhook_states WHERE webhook = ?"
_WAITING_SQL = f"SELECT {COLUMNS} FROM deliveries WHERE webhook = ? AND failed_at IS NULL"


class DeliveryRows:
    """`DeliveryStore`, without its writes and counts."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def due_deliveries(self, webhook_id: str, now: int, limit: int) -> list[DeliveryRow]:
        rows = await self._db.rows(
            f"{_WAITING_SQL} AND due_at <= ? ORDER BY due_at, id LIMIT ?", (webhook_id, now, limit)
        )
        return [DeliveryRow._make(row) for row in rows]

    async def waiting_between(self, webhook_id: str, after: int, up_to: int, limit: int) -> list[DeliveryRow]:
        rows = await self._db.rows(
            f"{_WAITING_SQL} AND id > ? AND id <= ? ORDER BY id LIMIT ?", (webhook_id, after, up_to, limit)
        )
        return [DeliveryRow._make(row) for row in rows]

    async def last_id(self, webhook_id: str) -> int:
        sql = "SELECT id FROM deliveries WHERE webhook = ? AND failed_at IS NULL ORDER BY id DESC LIMIT 1"
        row = await self._db.first_row(sql, (webhook_id,))
        return int(row[0]) if row else 0

    async def next_due(self, webhook_id: str) -> int | None:
        sql = "SELECT due_at FROM deliveries WHERE webhook = ? AND failed_at IS NULL ORDER BY due_at LIMIT 1"
        row = await self._db.first_row(sql, (webhook_id,))
        return int(row[0]) if row else None

    async def get(self, webhook_id: str, delivery_id: int) -> DeliveryRow | None:
        row = await self._db.first_row(
            f"SELECT {COLUMNS} FROM deliveries WHERE id = ? AND webhook = ?", (delivery_id, webhook_id)
        )
        return DeliveryRow._make(row) if row else None

    async def failed_ids(self, webhook_id: str) -> list[int]:
        sql = "SELECT id FROM deliveries WHERE webhook = ? AND failed_at IS NOT NULL ORDER BY id"
        return [row[0] for row in await self._db.rows(sql, (webhook_id,))]

    async def list_after(self, webhook_id: str, *, failed: bool, position: Position, limit: int) -> list[DeliveryRow]:
        values: list[Any] = [webhook_id]
        columns = ("failed_at", "id") if failed else ("id",)
        condition = f"webhook = ? AND failed_at IS {'NOT ' if failed else ''}NULL"
        end = page_clause(condition, columns, position, limit, values, descending=failed)
        return [
            DeliveryRow._make(row) for row in await self._db.rows(f"SELECT {COLUMNS} FROM deliveries {end}", values)
        ]

    async def _listed(self, webhook_id: str, failed: bool, limit: int, offset: int) -> list[DeliveryRow]:
        if failed:
            condition, order = "failed_at IS NOT NULL", "failed_at DESC, id DESC"
        else:
            condition, order = "failed_at IS NULL", "id"
        sql = f"SELECT {COLUMNS} FROM deliveries WHERE webhook = ? AND {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        rows = await self._db.rows(sql, (webhook_id, limit, offset))
        return [DeliveryRow._make(row) for row in rows]
