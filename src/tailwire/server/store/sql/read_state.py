"""The read state of each user in each conversation (`ReadStateRow`): what the stores share (see `store.sql`)."""

from __future__ import annotations

from typing import Any

from tailwire.server.ports.change_log import ChangeKind, NewChange, own_change
from tailwire.server.ports.conversations import GROUP_KEY, ConversationKey, group_in
from tailwire.server.ports.records import MessageRow, ReadStateRow
from tailwire.server.store.sql.change_log import LoggedWrites
from tailwire.server.store.sql.connection import Connection
from tailwire.server.store.sql.statements import MARK_SQL

MAX_SCANNED_MESSAGES = 1000
"""How many messages of a group, newest first, one receipt examines to find what all members have received or read."""
MAX_TIMED_MESSAGES = 5000
"""How many messages of a conversation of two users, newest first, one receipt examines to set when they were received
or read. Older ones count as received and read too, but their times stay unset."""
MAX_GROUPS_OF_REMOVED_USER = 100
"""When a user is removed, messages in this many of their groups, those joined last, may become received or read by all
because of it. In other groups they stay as they are."""
MEMBERSHIPS_WITH_RECEIPTS_SQL = f"""SELECT m.guid, m.uid, m.scope, m.joined_at, m.joined_after_id
FROM members m JOIN groups g ON g.guid = m.guid WHERE m.uid = :uid AND g.members_count <= CAST(:most AS bigint)
ORDER BY m.joined_after_id DESC LIMIT {MAX_GROUPS_OF_REMOVED_USER}"""
_MARK_CONDITION = "conversation_id = :conversation AND uid = :uid"
_MARK_UNREAD_SQL = f"""UPDATE marks SET read_id = CAST(:after AS bigint)
WHERE {_MARK_CONDITION} AND read_id > CAST(:after AS bigint)"""
_COLUMNS = {"cleared_id": "bigint", "tags": "text", "pinned_at": "bigint"}
"""The columns of `marks` that `column_setting` can set, with their SQL types."""
_DIFFERS = "(marks.{0} = excluded.{0}) IS NOT TRUE"
_SET_SQL = {
    column: (
        f"INSERT INTO marks (conversation_id, uid, delivered_id, read_id, {column})"
        f" SELECT :conversation, :uid, 0, 0, CAST(:value AS {kind}) WHERE TRUE"
        f" ON CONFLICT (conversation_id, uid) DO UPDATE SET {column} = excluded.{column}"
        f" WHERE {'excluded.cleared_id > marks.cleared_id' if column == 'cleared_id' else _DIFFERS.format(column)}"
    )
    for column, kind in _COLUMNS.items()
}
_RESET_SQL = {
    column: f"UPDATE marks SET {column} = {unset} WHERE {_MARK_CONDITION} AND {condition}"
    for column, unset, condition in (
        ("cleared_id", "0", "cleared_id <> 0"),
        ("tags", "NULL", "tags IS NOT NULL"), ("pinned_at", "NULL", "pinned_at IS NOT NULL"),
    )
}  # fmt: skip
"""By column, the statement that resets it to the value that a user without a row has. It inserts no row."""
_IS_SHOWN = """EXISTS (SELECT 1 FROM conversations c LEFT JOIN marks k ON k.conversation_id = c.conversation_id
AND k.uid = :uid WHERE c.conversation_id = :conversation
AND (coalesce(k.cleared_id, 0) = 0 OR c.last_message_id > k.cleared_id)
AND (EXISTS (SELECT 1 FROM participants s WHERE s.conversation_id = c.conversation_id AND s.uid = :uid)
OR EXISTS (SELECT 1 FROM members s WHERE s.guid = :guid AND s.uid = :uid)))"""
"""The condition that `ConversationRows` lists a conversation, with the guid if it is that of a group, for a user."""
_PINNED = f"""SELECT 1 FROM marks o JOIN conversations c ON c.conversation_id = o.conversation_id
WHERE o.uid = :uid AND o.pinned_at IS NOT NULL AND (o.cleared_id = 0 OR c.last_message_id > o.cleared_id)
AND (EXISTS (SELECT 1 FROM participants s WHERE s.uid = o.uid AND s.conversation_id = o.conversation_id)
OR EXISTS (SELECT 1 FROM members s WHERE s.uid = o.uid AND s.guid = substr(o.conversation_id, {len(GROUP_KEY) + 1})))"""
"""Selects the conversations that a user has pinned and that `ConversationRows` lists for them.

What `substr` returns for the key of two users contains a separator, which no guid does.
"""
_MAY_BE_PINNED = (
    f"((SELECT count(*) FROM ({_PINNED}) AS n) < CAST(:most AS bigint)"
    f" OR EXISTS ({_PINNED} AND o.conversation_id = :conversation))"
)


def column_setting(
    column: str, conversation: ConversationKey, uid: str, value: int | str | None
) -> tuple[str, dict[str, Any]]:
    """Return the statement that sets a column of a user's read state (the table `marks`), and the statement's values.

    The statement changes no row if the column has this value already. It never lowers `cleared_id`, except to reset it.

    Args:
        column: `cleared_id`, `tags` or `pinned_at`.
        conversation, uid: the conversation, and the user.
        value: the value; None, 0 or "" to reset the column.
    """
    values = {"conversation": conversation, "uid": uid, "value": value}
    return (_SET_SQL if value else _RESET_SQL)[column], values


def list_change(kind: ChangeKind, conversation: ConversationKey, uid: str, device: str) -> NewChange:
    """Return the change log entry that says that a conversation has changed in the list of a user.

    Args:
        device: the device on which the user did it.
    """
    return own_change(kind, uid, device, detail=conversation)


class ReadStateRows:
    """`ReadStateStore`, without receipts."""

    def __init__(self, connection: Connection, log: LoggedWrites) -> None:
        self._db = connection
        self._log = log

    async def get(self, conversation_id: ConversationKey, uid: str) -> ReadStateRow:
        row = await self._db.first_row(MARK_SQL, {"conversation": conversation_id, "who": uid})
        return ReadStateRow(*row) if row else ReadStateRow(conversation_id, uid)

    async def cleared_until(self, conversation_id: ConversationKey, uid: str) -> int:
        return (await self.get(conversation_id, uid)).cleared_id

    async def mark_unread_after(
        self, conversation_id: ConversationKey, reader: str, after: int, device: str = ""
    ) -> int:
        changed = list_change(ChangeKind.LIST_CHANGED, conversation_id, reader, device)
        values = {"conversation": conversation_id, "uid": reader, "after": after}
        return await self._log.run(_MARK_UNREAD_SQL, values, changed)

    async def clear(self, conversation_id: ConversationKey, uid: str, up_to: int, device: str = "") -> int:
        removed = list_change(ChangeKind.LIST_REMOVED, conversation_id, uid, device)
        return await self._log.run(*column_setting("cleared_id", conversation_id, uid, up_to), removed)

    async def tag(self, conversation_id: ConversationKey, uid: str, tags: str | None, device: str = "") -> int | None:
        changed = list_change(ChangeKind.LIST_CHANGED, conversation_id, uid, device)
        return await self._set_if_listed("tags", conversation_id, uid, tags, changed)

    async def pin(
        self, conversation_id: ConversationKey, uid: str, at: int | None, most: int, device: str = ""
    ) -> int | None:
        if at is None:
            unpinned = list_change(ChangeKind.CONVERSATION_UNPINNED, conversation_id, uid, device)
            return await self._log.run(*column_setting("pinned_at", conversation_id, uid, None), unpinned)
        pinned = list_change(ChangeKind.CONVERSATION_PINNED, conversation_id, uid, device)
        also = f" AND {_MAY_BE_PINNED}"
        return await self._set_if_listed("pinned_at", conversation_id, uid, at, pinned, also, most=most)

    async def _set_if_listed(
        self,
        column: str,
        conversation: ConversationKey,
        uid: str,
        value: int | str | None,
        change: NewChange,
        also: str = "",
        **more: int,
    ) -> int | None:
        sql, values = column_setting(column, conversation, uid, value)
        values = {**values, **more, "guid": group_in(conversation)}
        return await self._log.run_if(f"{_IS_SHOWN}{also}", sql, values, change)

    async def pinned_count(self, uid: str) -> int:
        sql = f"SELECT count(*) FROM ({_PINNED}) AS n"
        return int((await self._db.first_row(sql, {"uid": uid}))[0])

    async def receipts(self, row: MessageRow) -> list[tuple[str, int | None, int | None]]:
        if row.receiver_type == "user":
            return [(row.receiver, row.delivered_at, row.read_at)] if row.delivered_at else []
        found: dict[str, list[int | None]] = {}
        rows = await self._db.rows(
            "SELECT uid, read, min(at) FROM receipts WHERE conversation_id = ? AND up_to >= ? AND uid <> ?"
            " GROUP BY uid, read ORDER BY uid, read",
            (row.conversation_id, row.id, row.sender),
        )
        for uid, read, at in rows:
            found.setdefault(uid, [None, None])[read] = at
        return [(uid, delivered or read, read) for uid, (delivered, read) in found.items()]
