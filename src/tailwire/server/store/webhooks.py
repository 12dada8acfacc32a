"""Webhooks, and what they are told: queued in the transaction of what it tells of, so that a restart loses none."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Iterable

from tailwire.server.ports.records import Event, MessageRow
from tailwire.server.ports.webhook_records import WebhookRow
from tailwire.server.store.deliveries import Deliveries

_COLUMNS = ", ".join(f.name for f in dataclasses.fields(WebhookRow))
_MARKS = ", ".join("?" for _ in dataclasses.fields(WebhookRow))


class Webhooks(Deliveries):
    """Webhooks by trigger, in memory; their queue, on disk."""

    _by_trigger: dict[str, list[str]]
    _queued: Callable[[], None] | None = None

    def on_delivery(self, call: Callable[[], None]) -> None:
        """Name the one who is told, once it is committed, that something was put into the queue."""
        self._queued = call

    @property
    def has_webhooks(self) -> bool:
        """Whether anybody wants to be told of anything."""
        return bool(self._by_trigger)

    async def webhooks(self) -> list[WebhookRow]:
        """All webhooks, oldest first."""
        rows = await self._rows(f"SELECT {_COLUMNS} FROM webhooks ORDER BY created_at, id", ())
        return [WebhookRow(*row) for row in rows]

    async def webhook(self, webhook_id: str) -> WebhookRow | None:
        """A webhook, or None."""
        row = self._one(f"SELECT {_COLUMNS} FROM webhooks WHERE id = ?", (webhook_id,))
        return WebhookRow(*row) if row else None

    async def put_webhook(self, webhook: WebhookRow, *, new: bool = True) -> bool:
        """Keep a webhook, new or changed. False when a new one's id is taken, or a changed one is there no more."""

        def put(c: sqlite3.Connection) -> bool:
            known = c.execute("SELECT 1 FROM webhooks WHERE id = ?", (webhook.id,)).fetchone() is not None
            if known is new:
                return False
            c.execute(f"INSERT OR REPLACE INTO webhooks ({_COLUMNS}) VALUES ({_MARKS})", dataclasses.astuple(webhook))
            self._remember_triggers(c)
            return True

        return await self._writer.submit(put)

    async def remove_webhook(self, webhook_id: str) -> bool:
        """Forget a webhook and what waits for it. False when there is none."""

        def remove(c: sqlite3.Connection) -> bool:
            gone = c.execute("DELETE FROM webhooks WHERE id = ?", (webhook_id,)).rowcount == 1
            self._forget_deliveries(c, webhook_id)
            self._remember_triggers(c)
            return gone

        return await self._writer.submit(remove)

    def _remember_triggers(self, c: sqlite3.Connection) -> None:
        found = self._read_triggers(c)
        self._writer.after_commit(lambda: setattr(self, "_by_trigger", found))

    @staticmethod
    def _read_triggers(c: sqlite3.Connection) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for number, triggers in c.execute("SELECT id, triggers FROM webhooks WHERE enabled = 1"):
            for trigger in triggers.split(","):
                found.setdefault(trigger, []).append(number)
        return found

    def _enqueue_all(self, c: sqlite3.Connection, events: Iterable[Event], row: MessageRow | None) -> None:
        # Within the transaction of what the events tell of.
        for event in events:
            wanted = self._by_trigger.get(event.trigger)
            if not wanted:
                continue
            data = event.data if event.data is not None else b'{"message":%b}' % (row.json() if row else b"null")
            for webhook in wanted:
                self._enqueue(c, webhook, event.trigger, data)
            if self._queued is not None:
                self._writer.after_commit(self._queued)
