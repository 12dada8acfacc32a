"""A user's side of each conversation: receipts, which have a lane of their own, and what was cleared."""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.server.ports.change_log import ChangeKind
from tailwire.server.ports.changes import Change
from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.records import Event, ReadStateChange
from tailwire.server.ports.remembered import Remembered
from tailwire.server.store.postgres.change_log import ChangeLog, stored_number
from tailwire.server.store.postgres.receipt_lane import ReceiptLane
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.postgres.webhooks import Webhooks
from tailwire.server.store.postgres.work import Work
from tailwire.server.store.sql.read_state import ReadStateRows, column_setting, list_changed

MAX_CACHED_READ_STATES = 50_000


class ReadState(ReadStateRows):
    """`ReadStateStore` on PostgreSQL."""

    def __init__(self, work: Work, receipts: ReceiptLane, webhooks: Webhooks, log: ChangeLog) -> None:
        super().__init__(work.reads, log)
        self._log: ChangeLog = log
        self._work = work
        self._receipts = receipts
        self._webhooks = webhooks
        self._cleared: Remembered[int] = Remembered(work.feed, MAX_CACHED_READ_STATES)
        work.feed.listen(self._changed)

    def _changed(self, changes: Sequence[Change] | None) -> None:
        for _, kind, key in changes or ():
            if kind == "cleared":
                self._cleared.forget(key)
            elif kind == "conversation":
                self._cleared.forget_group(key)
        if changes is None or any(kind in ("user", "group") for _, kind, _ in changes):
            self._cleared.clear()  # conversations may have been removed with their marks

    async def cleared_until(self, conversation_id: ConversationKey, uid: str) -> int:
        read = super().cleared_until
        key = f"{conversation_id}/{uid}"
        return await self._cleared.get(key, lambda: read(conversation_id, uid), lambda _: (conversation_id,))

    async def clear(self, conversation_id: ConversationKey, uid: str, up_to: int, device: str = "") -> int:
        unit = Unit()
        removed = list_changed(ChangeKind.LIST_REMOVED, conversation_id, uid, device)
        self._log.add_required(unit, *column_setting("cleared_id", conversation_id, uid, up_to), removed)
        unit.invalidate("cleared", f"{conversation_id}/{uid}")
        return stored_number(await self._work.carry_out(unit))

    async def mark_up_to(
        self,
        conversation_id: ConversationKey,
        reader: str,
        up_to: int,
        now: int,
        *,
        read: bool,
        group: str = "",
        log: bool = True,
        sender: str = "",
        device: str = "",
        events: Sequence[Event] = (),
    ) -> ReadStateChange | None:
        queued = await self._webhooks.wanted_events(events)
        key = (conversation_id, reader, read, group, log)
        await self._work.numbers.check()  # the lane of receipts does not check any
        changed = await self._receipts.submit(key, up_to, now, queued, sender, device)
        if changed is not None:
            self._webhooks.report_queued(queued)
        return changed
