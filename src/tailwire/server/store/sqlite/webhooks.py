"""Writes webhooks, and queues events for them in the transaction of the change that they report."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Iterable

from tailwire.server.ports.records import Event, MessageRow
from tailwire.server.ports.webhook_records import WebhookRow
from tailwire.server.store.sql.webhooks import COLUMNS, PLACEHOLDERS, TRIGGERS_SQL, WebhookRows
from tailwire.server.store.sqlite.database import Database
from tailwire.server.store.sqlite.deliveries import Deliveries
from tailwire.server.store.sqlite.row_changes import change_row


class Webhooks(WebhookRows):
    """`WebhookStore` on SQLite. Which webhooks want which events (triggers) is cached: every change needs that."""

    def __init__(self, database: Database, deliveries: Deliveries) -> None:
        super().__init__(database)
        self._db: Database = database
        self._deliveries = deliveries
        self._by_trigger = _read_triggers(database.reader)
        self._on_queued: Callable[[], None] | None = None

    def on_queued(self, call: Callable[[], None]) -> None:
        self._on_queued = call

    @property
    def any_enabled(self) -> bool:
        return bool(self._by_trigger)

    async def add(self, webhook: WebhookRow) -> bool:
        def add(c: sqlite3.Connection) -> bool:
            sql = f"INSERT INTO webhooks ({COLUMNS}) VALUES ({PLACEHOLDERS}) ON CONFLICT (id) DO NOTHING"
            new = c.execute(sql, dataclasses.astuple(webhook)).rowcount == 1
            self._cache_triggers(c)
            return new

        return await self._db.write(add)

    async def change(self, webhook_id: str, change: Callable[[WebhookRow], WebhookRow]) -> WebhookRow | None:
        def run(c: sqlite3.Connection) -> WebhookRow | None:
            changed = change_row(c, WebhookRow, "webhooks", ("id", webhook_id), change)
            self._cache_triggers(c)
            return changed

        return await self._db.write(run)

    async def remove(self, webhook_id: str) -> bool:
        def remove(c: sqlite3.Connection) -> bool:
            gone = c.execute("DELETE FROM webhooks WHERE id = ?", (webhook_id,)).rowcount == 1
            self._deliveries.remove_all(c, webhook_id)
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
        """Queue the events of a change for the webhooks that want them. For use in the operation of the change.

        Args:
            c: the writer's connection.
            events: the events.
            row: the message that events without data report; None if there are no such events.
        """
        for event in events:
            webhook_ids = self._by_trigger.get(event.trigger)
            if not webhook_ids:
                continue
            data = event.data if event.data is not None else b'{"message":%b}' % (row.json() if row else b"null")
            for webhook_id in webhook_ids:
                self._deliveries.enqueue(c, webhook_id, event.trigger, data)
            if self._on_queued is not None:
                self._db.after_commit(self._on_queued)


def _read_triggers(c: sqlite3.Connection) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for number, triggers in c.execute(TRIGGERS_SQL):
        for trigger in triggers.split(","):
            found.setdefault(trigger, []).append(number)
    return found
