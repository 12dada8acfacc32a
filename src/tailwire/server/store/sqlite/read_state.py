"""Writes the read state: up to which message a user has received, read and cleared a conversation."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tailwire.server.ports import change_log
from tailwire.server.ports.conversations import ConversationKey, key_of
from tailwire.server.ports.records import Event, MemberRow, ReadStateChange
from tailwire.server.store.sql.read_state import MAX_SCANNED_MESSAGES, MAX_TIMED_MESSAGES, ReadStateRows
from tailwire.server.store.sql.removed_names import IS_REMOVED_SQL
from tailwire.server.store.sql.users import FORGET_READ_STATE_SQL
from tailwire.server.store.sqlite.change_log import ChangeLog
from tailwire.server.store.sqlite.database import Database
from tailwire.server.store.sqlite.webhooks import Webhooks

_ALL_IDS = 2**62
_CREATE_SQL = (
    "INSERT INTO marks (conversation_id, uid, delivered_id, read_id) VALUES (?, ?, 0, 0) ON CONFLICT DO NOTHING"
)


class ReadState(ReadStateRows):
    """`ReadStateStore` on SQLite. The uids of users who have ever cleared a conversation are cached."""

    def __init__(self, database: Database, webhooks: Webhooks, log: ChangeLog) -> None:
        super().__init__(database, log)
        self._db: Database = database
        self._log: ChangeLog = log
        self._webhooks = webhooks
        sql = "SELECT DISTINCT uid FROM marks WHERE cleared_id > 0"
        self._clearers: set[str] = {row[0] for row in database.reader.execute(sql)}

    async def cleared_until(self, conversation_id: ConversationKey, uid: str) -> int:
        if uid not in self._clearers:
            return 0
        return await super().cleared_until(conversation_id, uid)

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
        def mark(c: sqlite3.Connection) -> ReadStateChange | None:
            if c.execute(IS_REMOVED_SQL, (reader,)).fetchone() is not None:
                return None  # it waited meanwhile, and would bring back what the removal has deleted
            c.execute(_CREATE_SQL, (conversation_id, reader))
            where = "WHERE conversation_id = ? AND uid = ?"
            sql = f"SELECT delivered_id, read_id FROM marks {where}"
            delivered_id, read_id = c.execute(sql, (conversation_id, reader)).fetchone()
            known = read_id if read else delivered_id
            if known >= up_to:
                return None
            if read:
                sql = f"UPDATE marks SET read_id = ?, delivered_id = max(delivered_id, ?) {where}"
                c.execute(sql, (up_to, up_to, conversation_id, reader))
            else:
                c.execute(f"UPDATE marks SET delivered_id = ? {where}", (up_to, conversation_id, reader))
            self._webhooks.enqueue(c, events, None)
            if group and not log:
                return ReadStateChange()
            receipt = change_log.receipt(conversation_id, up_to, reader, device, sender, read=read)
            change_number = self._log.add(c, receipt, now)
            if not group:
                _record_times(c, conversation_id, reader, known, up_to, now, read)
                return ReadStateChange(number=change_number)
            by_all: list[tuple[str, int, bool, int]] = []
            for kind, before in ((False, delivered_id), (True, read_id)):
                if (kind and not read) or before >= up_to:
                    continue
                sql = "INSERT INTO receipts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
                c.execute(sql, (conversation_id, reader, int(kind), up_to, now))
                for reached, number in _record_all(c, conversation_id, group, reader, before, up_to, now, kind):
                    change = change_log.receipt_of_all(conversation_id, number, reader, reached, read=kind)
                    by_all.append((reached, number, kind, self._log.add(c, change, now)))
            return ReadStateChange(tuple(by_all), change_number)

        return await self._db.write(mark)

    async def clear(self, conversation_id: ConversationKey, uid: str, up_to: int, device: str = "") -> int:
        self._clearers.add(uid)  # before the commit, so that nobody reads in between that there is nothing to look up
        return await super().clear(conversation_id, uid, up_to, device)

    def forget_user(self, c: sqlite3.Connection, uid: str) -> None:
        """Delete the read state of a user. For use in the operation that removes them, after their memberships."""
        self._clearers.add(uid)  # another user with this uid does not see what was written to and by this one
        for statement in FORGET_READ_STATE_SQL:
            c.execute(statement.format(uid=":uid"), {"uid": uid})


def record_all_without(
    c: sqlite3.Connection, log: ChangeLog, guid: str, leaver: MemberRow, now: int
) -> tuple[tuple[str, int, bool, int], ...]:
    """Mark messages that only a leaving member had not received or read, and note that in the change log.

    They now count as received or read by all. For use in the operation that ends the membership, after the member was
    removed.

    Args:
        leaver: the membership that ended.
        now: seconds since 1970.

    Returns:
        What was marked, in the form of `ReadStateChange.by_all`.
    """
    conversation = key_of("", guid, "group")
    by_all: list[tuple[str, int, bool, int]] = []
    for sender, number, read in record_times_without(c, leaver, now):
        change = change_log.receipt_of_all(conversation, number, leaver.uid, sender, read=read)
        by_all.append((sender, number, read, log.add(c, change, now)))
    return tuple(by_all)


def record_times_without(c: sqlite3.Connection, leaver: MemberRow, now: int) -> list[tuple[str, int, bool]]:
    """Mark messages as `record_all_without` does, but without entries of the change log.

    For a user who is removed: such entries would name them.

    Returns:
        For each sender of marked messages: their uid, the highest id of these messages, and True if they were marked as
        read, False if as received.
    """
    conversation = key_of("", leaver.guid, "group")
    sql = "SELECT delivered_id, read_id FROM marks WHERE conversation_id = ? AND uid = ?"
    marks = c.execute(sql, (conversation, leaver.uid)).fetchone() or (0, 0)
    found = []
    for read, mark in zip((False, True), marks, strict=True):
        known = max(mark, leaver.joined_after_id)
        recorded = _record_all(c, conversation, leaver.guid, leaver.uid, known, _ALL_IDS, now, read)
        found += [(sender, number, read) for sender, number in recorded]
    return found


def _record_times(
    c: sqlite3.Connection, conversation: str, reader: str, previous_id: int, up_to: int, now: int, read: bool
) -> None:
    times = "delivered_at = coalesce(delivered_at, :now)" + (", read_at = :now" if read else "")
    unset = "read_at" if read else "delivered_at"
    c.execute(
        f"UPDATE messages SET {times}, updated_at = :now WHERE conversation_id = :conversation AND id <= :up_to"
        " AND id >= (SELECT min(id) FROM (SELECT id FROM messages WHERE conversation_id = :conversation"
        " AND id > :known AND id <= :up_to ORDER BY id DESC LIMIT :most))"
        f" AND receiver = :reader AND {unset} IS NULL",
        {
            "now": now, "conversation": conversation, "known": previous_id, "up_to": up_to, "reader": reader,
            "most": MAX_TIMED_MESSAGES,
        },
    )  # fmt: skip


def _record_all(
    c: sqlite3.Connection, conversation: str, guid: str, reader: str, previous_id: int, up_to: int, now: int, read: bool
) -> list[tuple[str, int]]:
    # Find what all members but the sender have now received or read: up to the lowest id among them. A member counts
    # as having received and read what was sent before they joined.
    column, at = ("read_id", "read_at") if read else ("delivered_id", "delivered_at")
    slowest = c.execute(
        f"SELECT m.uid, max(coalesce(k.{column}, 0), m.joined_after_id) FROM members m"
        " LEFT JOIN marks k ON k.conversation_id = ? AND k.uid = m.uid WHERE m.guid = ? ORDER BY 2 LIMIT 2",
        (conversation, guid),
    ).fetchall()
    if len(slowest) < 2 or (up_to := min(up_to, slowest[1][1])) <= previous_id:
        return []
    senders = c.execute(
        "SELECT sender, min(id) FROM (SELECT sender, id FROM messages WHERE conversation_id = ? AND id > ? AND id <= ?"
        f" AND sender <> ? AND category <> 'action' AND {at} IS NULL ORDER BY id DESC LIMIT ?) GROUP BY sender",
        (conversation, previous_id, up_to, reader, MAX_SCANNED_MESSAGES),
    ).fetchall()
    reached_by_all = []
    for sender, first in senders:
        floor = min(up_to, slowest[1][1] if slowest[0][0] == sender else slowest[0][1])
        rows = c.execute(
            f"UPDATE messages SET {at} = ?, updated_at = ? WHERE conversation_id = ? AND id >= ? AND id <= ?"
            f" AND sender = ? AND {at} IS NULL RETURNING id",
            (now, now, conversation, first, floor, sender),
        ).fetchall()
        if rows:
            reached_by_all.append((sender, max(number for (number,) in rows)))
    return reached_by_all
