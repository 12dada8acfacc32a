"""Reads a user's side of each conversation, and makes those writes that need only one statement."""

from __future__ import annotations

from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.records import MessageRow, ReadStateRow
from tailwire.server.store.sql.connection import Connection
from tailwire.server.store.sql.statements import MARK


class ReadStateRows:
    """`ReadStateStore`, without receipts."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def get(self, conversation_id: ConversationKey, uid: str) -> ReadStateRow:
        row = await self._db.one(MARK, {"conversation": conversation_id, "who": uid})
        return ReadStateRow(*row) if row else ReadStateRow(conversation_id, uid)

    async def cleared_until(self, conversation_id: ConversationKey, uid: str) -> int:
        return (await self.get(conversation_id, uid)).cleared_id

    async def unmark(self, conversation_id: ConversationKey, reader: str, after: int) -> None:
        await self._set(conversation_id, reader, "read_id", after)

    async def clear(self, conversation_id: ConversationKey, uid: str, up_to: int) -> None:
        await self._set(conversation_id, uid, "cleared_id", up_to)

    async def tag(self, conversation_id: ConversationKey, uid: str, tags: str | None) -> None:
        await self._set(conversation_id, uid, "tags", tags)

    async def pin(self, conversation_id: ConversationKey, uid: str, at: int | None) -> None:
        await self._set(conversation_id, uid, "pinned_at", at)

    async def _set(self, conversation_id: ConversationKey, uid: str, column: str, value: int | str | None) -> None:
        row: dict[str, int | str | None] = {
            "conversation_id": conversation_id, "uid": uid, "delivered_id": 0, "read_id": 0, column: value,
        }  # fmt: skip
        sql = (
            f"INSERT INTO marks ({', '.join(row)}) VALUES ({', '.join('?' for _ in row)})"
            f" ON CONFLICT (conversation_id, uid) DO UPDATE SET {column} = excluded.{column}"
        )
        await self._db.run(sql, list(row.values()))

    async def pinned_count(self, uid: str) -> int:
        sql = "SELECT count(*) FROM marks WHERE uid = ? AND pinned_at IS NOT NULL"
        return int((await self._db.rows(sql, (uid,)))[0][0])

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
