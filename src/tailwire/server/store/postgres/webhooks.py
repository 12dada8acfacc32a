"""Writes webhooks, and caches which of them want which events, because every change needs that."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence

from tailwire.server.ports.changes import TRUSTED_SECONDS, Change
from tailwire.server.ports.records import Event
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.webhook_records import WebhookRow
from tailwire.server.store.postgres.access import DatabaseAccess, DrawnId, as_row, insert, queue_events
from tailwire.server.store.postgres.deliveries import Deliveries
from tailwire.server.store.postgres.drafts import QueuedEvent
from tailwire.server.store.postgres.row_changes import change_row
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sql.webhooks import COLUMN_NAMES, TRIGGERS_SQL, WebhookRows
from tailwire.server.telemetry.logs import log

RELOAD_SECONDS = 1.0


class Webhooks(WebhookRows):
    """`WebhookStore` on PostgreSQL. The wanted events (triggers) of all webhooks are cached; `load` reads them."""

    def __init__(self, access: DatabaseAccess, deliveries: Deliveries) -> None:
        super().__init__(access.reads)
        self._access = access
        self._deliveries = deliveries
        self._by_trigger: dict[str, list[str]] = {}
        self._on_queued: Callable[[], None] | None = None
        self._changes = self._loaded = 0  # changes of webhooks: how many are known, and how many `_by_trigger` has
        self._loaded_at = 0.0
        self._loading: asyncio.Task[None] | None = None
        access.feed.listen(self._changed)

    def _changed(self, changes: Sequence[Change] | None) -> None:
        if changes is None or any(kind == "webhook" for _, kind, _ in changes):
            self._changes += 1
            if self._loading is None:
                self._loading = asyncio.get_running_loop().create_task(self._reload(), name="tailwire webhooks")

    async def _reload(self) -> None:
        try:
            while self._loaded != self._changes:
                try:
                    await self.load()
                    await self._deliveries.load()
                except Refused as e:
                    log.warning("the webhooks cannot be read now, and are read again later: %s", e)
                    await asyncio.sleep(RELOAD_SECONDS)
        finally:
            self._loading = None

    def stop(self) -> None:
        """Cancel the task that reads the webhooks again after a change. For the end of the store."""
        if self._loading is not None:
            self._loading.cancel()

    def on_queued(self, call: Callable[[], None]) -> None:
        self._on_queued = call

    @property
    def any_enabled(self) -> bool:
        return bool(self._by_trigger) or not self._is_current()

    def _is_current(self) -> bool:
        # Whether the cached triggers count as current, by the rule for all caches (see `ports.changes`).
        now = asyncio.get_running_loop().time()
        fresh = now - self._loaded_at <= TRUSTED_SECONDS or self._access.feed.is_current()
        return fresh and self._loaded == self._changes

    async def load(self) -> None:
        """Replace what is cached, which webhooks want which events, with what the database has."""
        changes, began = self._changes, asyncio.get_running_loop().time()
        found: dict[str, list[str]] = {}
        for number, triggers in await self._db.rows(f"{TRIGGERS_SQL} ORDER BY id"):
            for trigger in triggers.split(","):
                found.setdefault(trigger, []).append(number)
        self._by_trigger, self._loaded, self._loaded_at = found, changes, began

    async def add(self, webhook: WebhookRow) -> bool:
        unit = Unit()
        sql = f"{insert('webhooks', COLUMN_NAMES)} ON CONFLICT (id) DO NOTHING"
        unit.run_required(sql, row=as_row(dataclasses.asdict(webhook)))
        unit.invalidate("webhook", webhook.id)
        if (await self._access.carry_out(unit)).ended is not None:
            return False
        await self.load()
        return True

    async def change(self, webhook_id: str, change: Callable[[WebhookRow], WebhookRow]) -> WebhookRow | None:
        changed = await change_row(self._access, WebhookRow, "webhooks", ("id", webhook_id), "webhook", change)
        await self.load()
        return changed

    async def remove(self, webhook_id: str) -> bool:
        unit = Unit()
        unit.run_required("DELETE FROM webhooks WHERE id = :id", id=webhook_id)
        unit.run("DELETE FROM deliveries WHERE webhook = :id", id=webhook_id)
        unit.run("DELETE FROM webhook_states WHERE webhook = :id", id=webhook_id)
        unit.invalidate("webhook", webhook_id)
        answer = await self._access.carry_out(unit)
        self._deliveries.forget(webhook_id)
        await self.load()
        return bool(answer.results[0])

    async def add_events(self, events: list[Event]) -> None:
        queued = await self.wanted_events(events)
        if not queued:
            return
        unit = Unit()
        self.queue(unit, queued)
        await self._access.carry_out(unit)
        self.report_queued(queued)

    async def wanted_events(self, events: Sequence[Event]) -> tuple[QueuedEvent, ...]:
        """Return one queued event for each of the given events and each webhook that wants it.

        Waits only if the cached triggers may be outdated: then they are read again.

        Raises:
            Refused: ERR_UNAVAILABLE, the webhooks cannot be read.
        """
        if events and not self._is_current():
            await self.load()
        if not self._by_trigger:
            return ()
        return tuple(
            QueuedEvent(webhook, event.trigger, event.data)
            for event in events
            for webhook in self._by_trigger.get(event.trigger, ())
        )

    def queue(self, unit: Unit, queued: Sequence[QueuedEvent], drawn: DrawnId | None = None) -> None:
        """Add steps to a unit that queue events of a change without a message (see `access.queue_events`)."""
        queue_events(unit, queued, self._access.world.seconds(), drawn)

    def report_queued(self, queued: Sequence[QueuedEvent]) -> None:
        """Count events that were queued, and call the function of `on_queued`. Call this after the commit."""
        for event in queued:
            self._deliveries.count_added(event.webhook)
        if queued and self._on_queued is not None:
            self._on_queued()
