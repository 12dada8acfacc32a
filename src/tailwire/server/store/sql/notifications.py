"""The queue of push notifications, and how far the messages have been examined for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.filters import Position
from tailwire.server.ports.push_records import (
    NOTIFICATION_TIMES,
    DueNotification,
    NotificationProgress,
    NotificationRow,
    PossibleReceiver,
    ReactionToNotify,
)
from tailwire.server.ports.records import MessageRow
from tailwire.server.store.sql.conditions import page_clause
from tailwire.server.store.sql.connection import Connection
from tailwire.server.store.sql.statements import MESSAGE_COLUMNS

MAX_COUNTED_NOTIFICATIONS = 100_000
_COLUMNS = ", ".join(NotificationRow._fields)
_N_COLUMNS = ", ".join(f"n.{name}" for name in NotificationRow._fields)
_MESSAGE_COLUMNS = ", ".join(column.name for column in MESSAGE_COLUMNS)
NEWEST_ID_SQL = "SELECT coalesce(max(id), 0) FROM messages"
MESSAGES_SQL = f"SELECT {_MESSAGE_COLUMNS} FROM messages WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
_WAITING_CONDITION = "sent_at IS NULL AND failed_at IS NULL"
# The facts about receivers. `{who}` is a table with the column uid.
_RECEIVERS_SQL = """SELECT who.uid,
EXISTS (SELECT 1 FROM push_tokens t JOIN auth_tokens a ON a.token_hash = t.auth_token
  WHERE t.uid = who.uid AND t.created_at <= :sent_at AND (a.expires_at IS NULL OR a.expires_at > :sent_at)),
coalesce(p.preferences, ''), coalesce(p.timezone, ''), coalesce(mu.until, 0),
coalesce(CASE WHEN k.cleared_id > k.read_id THEN k.cleared_id ELSE k.read_id END, 0),
EXISTS (SELECT 1 FROM blocks b WHERE (b.uid = who.uid AND b.blocked = :actor)
  OR (b.uid = :actor AND b.blocked = who.uid)),
EXISTS (SELECT 1 FROM mentions m WHERE m.message_id = :id AND m.uid = who.uid)
FROM ({who}) AS who
LEFT JOIN push_preferences p ON p.uid = who.uid
LEFT JOIN push_mutes mu ON mu.uid = who.uid AND mu.conversation_id = :conversation
LEFT JOIN marks k ON k.conversation_id = :conversation AND k.uid = who.uid ORDER BY who.uid"""
# In slices of the members, so that no read is long, however few of them have a device.
_MEMBERS_TO_NOTIFY_SQL = _RECEIVERS_SQL.format(
    who="SELECT uid FROM members WHERE guid = :guid AND uid > :after ORDER BY uid LIMIT :limit"
)
_USER_TO_NOTIFY_SQL = _RECEIVERS_SQL.format(who="SELECT uid FROM users WHERE uid = :uid")


class NotificationRows:
    """`NotificationStore` in SQL."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    # What is to be notified.

    async def newest_id(self) -> int:
        row = await self._db.first_row(NEWEST_ID_SQL)
        return int(row[0])

    async def progress(self) -> NotificationProgress:
        row = await self._db.first_row("SELECT message_id, after_uid, reaction_id FROM push_progress")
        return NotificationProgress._make(row)

    async def store_progress(self, progress: NotificationProgress) -> None:
        await self._db.run(
            "UPDATE push_progress SET message_id = ?, after_uid = ?, reaction_id = ? WHERE message_id < ?"
            " OR (message_id = ? AND (after_uid < ? OR reaction_id < ?))",
            (*progress, progress.message_id, progress.message_id, progress.after_uid, progress.reaction_id),
        )

    async def messages(self, after: int, up_to: int, limit: int) -> list[MessageRow]:
        return [MessageRow._make(row) for row in await self._db.rows(MESSAGES_SQL, (after, up_to, limit))]

    async def reactions(self, after: int, limit: int) -> list[ReactionToNotify]:
        sql = "SELECT id, message_id, reaction, uid, reacted_at FROM reactions WHERE id > ? ORDER BY id LIMIT ?"
        return [ReactionToNotify._make(row) for row in await self._db.rows(sql, (after, limit))]

    async def members(self, message: MessageRow, actor: str, after: str, limit: int) -> list[PossibleReceiver]:
        values = {**_values(message, actor), "guid": message.receiver, "after": after, "limit": limit}
        return [_receiver(row) for row in await self._db.rows(_MEMBERS_TO_NOTIFY_SQL, values)]

    async def user(self, message: MessageRow, uid: str, actor: str) -> PossibleReceiver | None:
        rows = await self._db.rows(_USER_TO_NOTIFY_SQL, {**_values(message, actor), "uid": uid})
        return next((found for found in map(_receiver, rows) if found.has_token), None)

    async def queue(
        self, message_id: int, reaction_id: int, uids: Sequence[str], registered_before: int, now: int
    ) -> None:
        values: list[Any] = [message_id, reaction_id, now, now, registered_before, now]
        of_these_users = self._db.dialect.any_of("t.uid", uids, values)
        await self._db.run(
            "INSERT INTO notifications (message_id, reaction_id, token_hash, uid, provider, queued_at, due_at)"
            " SELECT CAST(? AS bigint), CAST(? AS bigint), t.token_hash, t.uid, t.provider, CAST(? AS bigint),"
            " CAST(? AS bigint) FROM push_tokens t JOIN auth_tokens a ON a.token_hash = t.auth_token"
            f" WHERE t.created_at <= ? AND (a.expires_at IS NULL OR a.expires_at > ?) AND {of_these_users}"
            " ON CONFLICT (message_id, reaction_id, token_hash) DO NOTHING",
            values,
        )

    async def queue_again(self, message_id: int, now: int) -> None:
        # A part of them at a time, so that other writes are not delayed.
        sql = (
            "UPDATE notifications SET sent_at = NULL, attempt = 0, first_try_at = NULL, due_at = ?"
            " WHERE id IN (SELECT id FROM notifications WHERE message_id = ? AND reaction_id = 0"
            " AND sent_at IS NOT NULL ORDER BY id LIMIT 500)"
        )
        while await self._db.run(sql, (now, message_id)):
            pass

    # What waits, was sent, or was given up.

    async def count_waiting(self) -> int:
        waiting = f"SELECT 1 FROM notifications WHERE {_WAITING_CONDITION} LIMIT {MAX_COUNTED_NOTIFICATIONS}"
        sql = f"SELECT count(*) FROM ({waiting}) AS n"
        row = await self._db.first_row(sql)
        return int(row[0])

    async def due_notifications(self, provider: str, now: int, limit: int) -> list[DueNotification]:
        # Two joins in a row: SQLite would make a table of all devices for a join within a join.
        rows = await self._db.rows(
            f"SELECT {_N_COLUMNS}, t.platform, CASE WHEN a.token_hash IS NOT NULL THEN t.token END FROM notifications n"
            " LEFT JOIN push_tokens t ON t.token_hash = n.token_hash AND t.uid = n.uid"
            " LEFT JOIN auth_tokens a ON a.token_hash = t.auth_token AND (a.expires_at IS NULL OR a.expires_at > ?)"
            " WHERE n.provider = ? AND n.sent_at IS NULL AND n.failed_at IS NULL AND n.due_at <= ?"
            " ORDER BY n.due_at, n.id LIMIT ?",
            (now, provider, now, limit),
        )
        return [DueNotification(NotificationRow._make(row[:-2]), row[-2] or "", row[-1]) for row in rows]

    async def next_due(self, provider: str) -> int | None:
        sql = f"SELECT due_at FROM notifications WHERE provider = ? AND {_WAITING_CONDITION} ORDER BY due_at LIMIT 1"
        row = await self._db.first_row(sql, (provider,))
        return int(row[0]) if row else None

    async def reaction(self, reaction_id: int) -> ReactionToNotify | None:
        sql = "SELECT id, message_id, reaction, uid, reacted_at FROM reactions WHERE id = ?"
        row = await self._db.first_row(sql, (reaction_id,))
        return ReactionToNotify._make(row) if row else None

    async def read_up_to(self, conversation_id: ConversationKey, uid: str) -> int:
        sql = "SELECT read_id, cleared_id FROM marks WHERE conversation_id = ? AND uid = ?"
        row = await self._db.first_row(sql, (conversation_id, uid))
        return max(row) if row else 0

    async def mark_sent(self, ids: Sequence[int], now: int) -> None:
        sql = (
            "UPDATE notifications SET sent_at = ?, last_try_at = ?, attempt = attempt + 1, shown = 1, problem = NULL"
            " WHERE id = ?"
        )
        await self._db.run_many(sql, [(now, now, one) for one in ids])

    async def put_off(self, notification_id: int, due_at: int, now: int, problem: str) -> None:
        await self._db.run(
            "UPDATE notifications SET attempt = attempt + 1, due_at = ?, first_try_at = coalesce(first_try_at, ?),"
            " last_try_at = ?, problem = ? WHERE id = ?",
            (due_at, now, now, problem, notification_id),
        )

    async def give_up(self, notification_id: int, now: int, problem: str) -> None:
        await self._db.run(
            "UPDATE notifications SET attempt = attempt + 1, failed_at = ?, first_try_at = coalesce(first_try_at, ?),"
            " last_try_at = ?, problem = ? WHERE id = ?",
            (now, now, now, problem, notification_id),
        )

    async def remove_unwanted(self, ids: Sequence[int]) -> None:
        await self._db.run_many("DELETE FROM notifications WHERE id = ?", [(one,) for one in ids])

    async def list_failed(self, *, limit: int, offset: int) -> tuple[list[NotificationRow], int]:
        count = "SELECT count(*) FROM notifications WHERE failed_at IS NOT NULL"
        sql = f"SELECT {_COLUMNS} FROM notifications WHERE failed_at IS NOT NULL ORDER BY failed_at DESC, id DESC"
        rows, total = await self._db.page(count, f"{sql} LIMIT ? OFFSET ?", (), (limit, offset))
        return [NotificationRow._make(row) for row in rows], total

    async def list_after(self, status: str, uid: str, position: Position, limit: int) -> list[NotificationRow]:
        columns, values = (NOTIFICATION_TIMES[status], "id"), list[Any]()
        where = [_WAITING_CONDITION if status == "waiting" else f"{columns[0]} IS NOT NULL"]
        if uid:
            where.append("uid = ?")
            values.append(uid)
        end = page_clause(" AND ".join(where), columns, position, limit, values, descending=True)
        rows = await self._db.long_rows(f"SELECT {_COLUMNS} FROM notifications {end}", values)
        return [NotificationRow._make(row) for row in rows]

    async def get(self, notification_id: int) -> NotificationRow | None:
        row = await self._db.first_row(f"SELECT {_COLUMNS} FROM notifications WHERE id = ?", (notification_id,))
        return NotificationRow._make(row) if row else None

    async def send_again(self, notification_id: int, now: int) -> bool:
        return await _requeue(self._db, "id = ?", now, notification_id) == 1

    async def send_all_again(self, now: int) -> int:
        # A part of them at a time, so that other writes are not delayed.
        some, found = "id IN (SELECT id FROM notifications WHERE failed_at IS NOT NULL ORDER BY id LIMIT ?)", 0
        while changed := await _requeue(self._db, some, now, 500):
            found += changed
        return found

    async def delete_finished(self, sent_before: int, failed_before: int) -> None:
        some = "(SELECT id FROM notifications WHERE {} ORDER BY id LIMIT 500)"
        for condition, before in (("sent_at < ?", sent_before), ("failed_at < ?", failed_before)):
            while await self._db.run(f"DELETE FROM notifications WHERE id IN {some.format(condition)}", (before,)):
                pass


async def _requeue(db: Connection, which: str, now: int, value: int) -> int:
    sql = (
        "UPDATE notifications SET failed_at = NULL, attempt = 0, first_try_at = NULL, queued_at = ?, due_at = ?"
        f" WHERE failed_at IS NOT NULL AND {which}"
    )
    return await db.run(sql, (now, now, value))


def _values(message: MessageRow, actor: str) -> dict[str, Any]:
    return {
        "id": message.id,
        "conversation": message.conversation_id,
        "sent_at": message.sent_at,
        "actor": actor,
    }


def _receiver(row: Any) -> PossibleReceiver:
    return PossibleReceiver._make((row[0], bool(row[1]), *row[2:6], bool(row[6]), bool(row[7])))
