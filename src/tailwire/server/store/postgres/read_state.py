"""A user's side of each conversation: receipts. A mark moves forward only, in the statement that sets it."""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.server.ports import change_log
from tailwire.server.ports.change_log import ChangeKind
from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.records import Event, ReadStateChange
from tailwire.server.store.postgres.change_log import OF_SENDERS, ChangeLog, noted
from tailwire.server.store.postgres.unit import Unit, Value
from tailwire.server.store.postgres.webhooks import Webhooks
from tailwire.server.store.postgres.work import Work
from tailwire.server.store.sql.read_state import ReadStateRows

MAX_SCANNED_MESSAGES = 1000
_MARK = {
    True: """INSERT INTO marks (conversation_id, uid, delivered_id, read_id)
VALUES (:conversation, :reader, :up_to::bigint, :up_to::bigint) ON CONFLICT (conversation_id, uid) DO UPDATE
SET read_id = excluded.read_id, delivered_id = greatest(marks.delivered_id, excluded.delivered_id)
WHERE marks.read_id < excluded.read_id""",
    False: """INSERT INTO marks (conversation_id, uid, delivered_id, read_id)
VALUES (:conversation, :reader, :up_to::bigint, 0) ON CONFLICT (conversation_id, uid) DO UPDATE
SET delivered_id = excluded.delivered_id WHERE marks.delivered_id < excluded.delivered_id""",
}
_TIMES = """UPDATE messages SET delivered_at = coalesce(delivered_at, :now::bigint){more}, updated_at = :now::bigint
WHERE conversation_id = :conversation AND id > :known::bigint AND id <= :up_to::bigint AND receiver = :reader
AND {unset} IS NULL"""
_RECEIPT = """INSERT INTO receipts (conversation_id, uid, read, up_to, at)
VALUES (:conversation, :reader, :read::int, :up_to::bigint, :now::bigint) ON CONFLICT DO NOTHING"""
# What all members but the sender have now received or read: up to the lowest id among them. A member counts as having
# received and read what was sent before they joined.
_BY_ALL = """
WITH slowest AS MATERIALIZED (
    SELECT m.uid, greatest(coalesce((SELECT k.{column} FROM marks k
        WHERE k.conversation_id = :conversation AND k.uid = m.uid), 0), m.joined_after_id) AS up_to
    FROM members m WHERE m.guid = :guid ORDER BY 2, 1 LIMIT 2),
senders AS MATERIALIZED (
    SELECT sender, min(id) AS first FROM (SELECT sender, id FROM messages WHERE conversation_id = :conversation
        AND id > :known::bigint AND id <= :up_to::bigint AND sender <> :reader AND category <> 'action'
        AND {at} IS NULL ORDER BY id DESC LIMIT :most::bigint) AS s
    WHERE (SELECT count(*) FROM slowest) = 2 GROUP BY sender),
reached AS MATERIALIZED (
    SELECT sender, first, least(:up_to::bigint,
        CASE WHEN (SELECT uid FROM slowest ORDER BY up_to, uid LIMIT 1) = sender
        THEN (SELECT up_to FROM slowest ORDER BY up_to, uid OFFSET 1) ELSE (SELECT min(up_to) FROM slowest) END)
        AS floor
    FROM senders),
changed AS (
    UPDATE messages m SET {at} = :now::bigint, updated_at = :now::bigint FROM reached r
    WHERE m.conversation_id = :conversation AND m.id >= r.first AND m.id <= r.floor AND m.sender = r.sender
    AND m.{at} IS NULL RETURNING m.sender, m.id),
found AS MATERIALIZED (SELECT sender, max(id) AS id FROM changed GROUP BY sender),
logged AS ({logged})
SELECT f.sender, f.id, l.number FROM found f JOIN logged l ON l.to_uid = f.sender ORDER BY l.number"""


class ReadState(ReadStateRows):
    """`ReadStateStore` on PostgreSQL."""

    def __init__(self, work: Work, webhooks: Webhooks, log: ChangeLog) -> None:
        super().__init__(work.reads)
        self._work = work
        self._webhooks = webhooks
        self._log = log

    async def mark(
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
        before = await self.get(conversation_id, reader)
        known = before.read_id if read else before.delivered_id
        if known >= up_to:
            return None
        unit = Unit()
        where: dict[str, Value] = {"conversation": conversation_id, "reader": reader, "up_to": up_to, "now": now}
        unit.need(_MARK[read], **where)
        self._webhooks.queue(unit, events)
        if not group or log:
            receipt = change_log.receipt(conversation_id, up_to, reader, device, sender, read=read)
            self._log.note(unit, receipt, now)
        kinds: list[bool] = []
        if not group:
            more, unset = (", read_at = :now::bigint", "read_at") if read else ("", "delivered_at")
            unit.do(_TIMES.format(more=more, unset=unset), known=known, **where)
        elif log:
            for kind, since in ((False, before.delivered_id), (True, before.read_id)):
                if (kind and not read) or since >= up_to:
                    continue
                kinds.append(kind)
                column, at = ("read_id", "read_at") if kind else ("delivered_id", "delivered_at")
                unit.do(_RECEIPT, read=int(kind), **where)
                sql = _BY_ALL.format(column=column, at=at, logged=OF_SENDERS)
                told = str(ChangeKind.READ_BY_ALL if kind else ChangeKind.DELIVERED_TO_ALL)
                unit.rows(sql, known=since, guid=group, most=MAX_SCANNED_MESSAGES, kind=told, **where)
        answer = await self._work.carry_out(unit)
        if answer.ended is not None:
            return None
        self._webhooks.queued(events)
        told_all = [result for result in answer.results if isinstance(result, list)][1:]  # the first is the receipt
        by_all = [
            (row["sender"], row["id"], kind, row["number"])
            for kind, rows in zip(kinds, told_all, strict=True)
            for row in rows
        ]
        return ReadStateChange(tuple(by_all), noted(answer))
