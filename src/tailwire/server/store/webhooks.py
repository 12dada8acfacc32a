"""Webhooks. Their events are queued in the transaction of the change that they report, so a crash loses none."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Iterable

from tailwire.server.ports.records import Event, MessageRow
from tailwire.server.ports.webhook_records import WebhookRow
from tailwire.server.store.database import Database
from tailwire.server.store.deliveries import Deliveries

_COLUMNS = ", ".join(f.name for f in dataclasses.fields(WebhookRow))
_PLACEHOLDERS = ", ".join("?" for _ in dataclasses.fields(WebhookRow))


class Webhooks:
    """`WebhookStore` on SQLite. Triggers are cached, because every change asks which webhooks want its event."""

    def __init__(self, database: Database, deliveries: Deliveries) -> None:
        self._db = database
        self._deliveries = deliveries
        self._by_trigger = _read_triggers(database.reader)
        self._on_queued: Callable[[], None] | None = None

    def on_queued(self, call: Callable[[], None]) -> None:
        self._on_queued = call

    @property
    def enabled(self) -> bool:
        return bool(self._by_trigger)

    async def all(self) -> list[WebhookRow]:
        rows = await self._db.rows(f"SELECT {_COLUMNS} FROM webhooks ORDER BY created_at, id")
        return [WebhookRow(*row) for row in rows]

    async def get(self, webhook_id: str) -> WebhookRow | None:
        row = await self._db.one(f"SELECT {_COLUMNS} FROM webhooks WHERE id = ?", (webhook_id,))
        return WebhookRow(*row) if row else None

    async def put(self, webhook: WebhookRow, *, new: bool = True) -> bool:
        def put(c: sqlite3.Connection) -> bool:
            known = c.execute("SELECT 1 FROM webhooks WHERE id = ?", (webhook.id,)).fetchone() is not None
            if known is new:
                return False
            c.execute(
                f"INSERT OR REPLACE INTO webhooks ({_COLUMNS}) VALUES ({_PLACEHOLDERS})", dataclasses.astuple(webhook)
            )
            self._cache_triggers(c)
            return True

        return await self._db.write(put)

    async def remove(self, webhook_id: str) -> bool:
        def remove(c: sqlite3.Connection) -> bool:
            gone = c.execute("DELETE FROM webhooks WHERE id = ?", (webhook_id,)).rowcount == 1
            self._deliveries.forget(c, webhook_id)
            self._cache_triggers(c)
            return gone

        return await self._db.write(remove)

    def _cache_triggers(self, c: sqlite3.Connection) -> None:
        found = _read_triggers(c)
        self._db.after_commit(lambda: setattr(self, "_by_trigger", found))

    async def add_events(self, events: list[Event]) -> None:
        if self._by_trigger:
            await self._db.write(lambda c: self.enqueue(c, events, None))

    def enqueue(self, c: sqlite3.Connection, events: Iterable[Event], row: MessageRow | None) -> None:
        """Within the operation that makes the change: queue its events for the webhooks that want them.

        Args:
            row: the message of events that have no data of their own.
        """
        for event in events:
            wanted = self._by_trigger.get(event.trigger)
            if not wanted:
                continue
            data = event.data if event.data is not None else b'{"message":%b}' % (row.json() if row else b"null")
            for webhook in wanted:
                self._deliveries.enqueue(c, webhook, event.trigger, data)
            if self._on_queued is not None:
                self._db.after_commit(self._on_queued)


def _read_triggers(c: sqlite3.Connection) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for number, triggers in c.execute("SELECT id, triggers FROM webhooks WHERE enabled = 1"):
        for trigger in triggers.split(","):
            found.setdefault(trigger, []).append(number)
    return found
