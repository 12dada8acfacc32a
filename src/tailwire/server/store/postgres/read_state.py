"""Writes the read state: up to which message a user has received, read and cleared a conversation.

Receipts are written by `ReceiptLane`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.server.ports.change_log import ChangeKind
from tailwire.server.ports.changes import Change
from tailwire.server.ports.conversations import ConversationKey, key_of
from tailwire.server.ports.read_cache import ReadCache
from tailwire.server.ports.records import Event, MemberRow, ReadStateChange
from tailwire.server.store.postgres.access import DatabaseAccess
from tailwire.server.store.postgres.change_log import UPSERT, ChangeLog, stored_number
from tailwire.server.store.postgres.receipt_lane import ReceiptLane
from tailwire.server.store.postgres.unit import Answer, Unit
from tailwire.server.store.postgres.webhooks import Webhooks
from tailwire.server.store.sql.change_log import COLUMNS
from tailwire.server.store.sql.read_state import MAX_SCANNED_MESSAGES, ReadStateRows, column_setting, list_change

MAX_CACHED_READ_STATES = 50_000
_TURN_SQL = "SELECT pg_advisory_xact_lock(7308899, hashtext(:conversation))"  # as the function of the receipts takes it
# The same as in that function, but leaving out a member who leaves. The function itself cannot be used: it stores a
# receipt too, gives up on locked rows, and each change of it needs a migration. A test compares the two.
_FOUND_TEMPLATE = f"""WITH slowest AS MATERIALIZED (
SELECT m.uid, greatest(m.joined_after_id, coalesce((SELECT k.{{mark}} FROM marks k
WHERE k.conversation_id = :conversation AND k.uid = m.uid), 0)) AS up_to
FROM members m WHERE m.guid = :guid AND m.uid <> :left ORDER BY 2, 1 LIMIT 2),
senders AS MATERIALIZED (SELECT s.sender, min(s.id) AS first FROM (
SELECT sender, id FROM messages WHERE conversation_id = :conversation AND id > greatest(:since::bigint,
(SELECT k.{{mark}} FROM marks k WHERE k.conversation_id = :conversation AND k.uid = :left))
AND id <= (SELECT CASE WHEN count(*) = 2 THEN max(up_to) ELSE 0 END FROM slowest)
AND sender <> :left AND category <> 'action' AND {{at}} IS NULL
ORDER BY id DESC LIMIT {MAX_SCANNED_MESSAGES}) AS s GROUP BY s.sender)"""
_TIMES_TEMPLATE = """UPDATE messages m SET {at} = :now::bigint, updated_at = :now::bigint FROM senders s
WHERE m.conversation_id = :conversation AND m.id >= s.first AND m.sender = s.sender AND {at} IS NULL
AND m.id <= (SELECT min(f.up_to) FROM slowest f WHERE f.uid <> s.sender)"""
_ALL_WITHOUT_TEMPLATE = f"""{_FOUND_TEMPLATE}, changed AS ({_TIMES_TEMPLATE} RETURNING m.sender, m.id)
INSERT INTO change_log ({", ".join(COLUMNS)})
SELECT :conversation, '{{kind}} ' || c.sender, :last_id::bigint, '{{kind}}', :left, '', c.sender, max(c.id), 0, '',
:now::bigint FROM changed c GROUP BY c.sender ORDER BY c.sender {UPSERT} RETURNING to_uid, message_id, number"""
_KINDS = (
    ("delivered_id", "delivered_at", ChangeKind.DELIVERED_TO_ALL), ("read_id", "read_at", ChangeKind.READ_BY_ALL),
)  # fmt: skip
_ALL_WITHOUT_SQL = [_ALL_WITHOUT_TEMPLATE.format(mark=mark, at=at, kind=kind) for mark, at, kind in _KINDS]
_TIMES_WITHOUT_SQL = [f"{_FOUND_TEMPLATE} {_TIMES_TEMPLATE}".format(mark=mark, at=at) for mark, at, _ in _KINDS]


class ReadState(ReadStateRows):
    """`ReadStateStore` on PostgreSQL."""

    def __init__(self, access: DatabaseAccess, receipts: ReceiptLane, webhooks: Webhooks, log: ChangeLog) -> None:
        super().__init__(access.reads, log)
        self._log: ChangeLog = log
        self._access = access
        self._receipts = receipts
        self._webhooks = webhooks
        self._cleared: ReadCache[int] = ReadCache(access.feed, MAX_CACHED_READ_STATES)
        access.feed.listen(self._changed)

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
        removed = list_change(ChangeKind.LIST_REMOVED, conversation_id, uid, device)
        self._log.add_required(unit, *column_setting("cleared_id", conversation_id, uid, up_to), removed)
        unit.invalidate("cleared", f"{conversation_id}/{uid}")
        return stored_number(await self._access.carry_out(unit))

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
        await self._access.numbers.check()  # the lane of receipts does not check any
        changed = await self._receipts.submit(key, up_to, now, queued, sender, device)
        if changed is not None:
            self._webhooks.report_queued(queued)
        return changed


def record_all_without(unit: Unit, guid: str, leaver: MemberRow, now: int) -> None:
    """Add to a unit the steps that mark messages which only a leaving member had not received or read.

    These messages count as received or read by all from now on, and the change log notes that for their senders. Call
    this before adding any other step that has a result: `recorded_without` expects the results at the beginning of the
    answer.

    Args:
        leaver: the membership that ends.
        now: seconds since 1970.
    """
    conversation = key_of("", guid, "group")
    unit.run(_TURN_SQL, conversation=conversation)
    for sql in _ALL_WITHOUT_SQL:
        unit.run_returning(
            sql, conversation=conversation, guid=guid, left=leaver.uid, since=leaver.joined_after_id, now=now
        )


def record_times_without(unit: Unit, leaver: MemberRow, now: int) -> None:
    """Add the steps of `record_all_without` to a unit, but without entries of the change log.

    For a user who is removed: such entries would name them. Three results, numbers of rows, are added to the answer.
    """
    guid, conversation = leaver.guid, key_of("", leaver.guid, "group")
    unit.run(_TURN_SQL, conversation=conversation)
    for sql in _TIMES_WITHOUT_SQL:
        unit.run(sql, conversation=conversation, guid=guid, left=leaver.uid, since=leaver.joined_after_id, now=now)


def recorded_without(answer: Answer) -> tuple[tuple[str, int, bool, int], ...]:
    """Return what `record_all_without` has marked, in the form of `ReadStateChange.by_all`.

    Args:
        answer: the answer to its unit.
    """
    return tuple(
        (row["to_uid"], row["message_id"], read, row["number"])
        for read, rows in zip((False, True), answer.results[1:3], strict=True)
        for row in rows
    )
