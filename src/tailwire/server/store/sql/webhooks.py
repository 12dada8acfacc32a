"""Reads webhooks."""

from __future__ import annotations

import dataclasses

from tailwire.server.ports.webhook_records import WebhookRow
from tailwire.server.store.sql.connection import Connection

COLUMN_NAMES = tuple(f.name for f in dataclasses.fields(WebhookRow))
COLUMNS, PLACEHOLDERS = ", ".join(COLUMN_NAMES), ", ".join("?" for _ in COLUMN_NAMES)
TRIGGERS_SQL = "SELECT id, triggers FROM webhooks WHERE enabled = 1"


class WebhookRows:
    """`WebhookStore`, without its writes and what the stores cache."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def list_all(self) -> list[WebhookRow]:
        rows = await self._db.rows(f"SELECT {COLUMNS} FROM webhooks ORDER BY created_at, id")
        return [WebhookRow(*row) for row in rows]

    async def get(self, webhook_id: str) -> WebhookRow | None:
        row = await self._db.first_row(f"SELECT {COLUMNS} FROM webhooks WHERE id = ?", (webhook_id,))
        return WebhookRow(*row) if row else None
