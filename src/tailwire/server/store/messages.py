"""Messages, and how far they have been received and read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from tailwire.server.ports.records import Draft, MessageFilter, MessageRow, Stored
from tailwire.server.store.access import Access
from tailwire.server.store.statements import (
    ADD_PARTICIPANT,
    BY_MUID,
    INSERT_MESSAGE,
    LATEST_OF,
    MESSAGE,
    START_CONVERSATION,
    TOUCH_CONVERSATION,
    list_messages,
    parameters,
)


class Messages(Access):
    """Messages. Ids rise in the order of the commits (see `writer`)."""

    async def add_message(self, draft: Draft) -> Stored:
        """Store a message once: a muid that its sender has used before gives the message of then."""
        return await self._writer.submit(lambda c: self._insert(c, draft))

    def _insert(self, c: sqlite3.Connection, d: Draft) -> Stored:
        message_id = self._last_id + 1
        inserted = c.execute(
            INSERT_MESSAGE,
            {
                "id": message_id,
                "conversation_id": d.conversation_id,
                "sender": d.sender,
                "receiver": d.receiver,
                "receiver_type": d.receiver_type,
                "category": d.category,
                "type": d.type,
                "muid": d.muid,
                "parent_id": d.parent_id,
                "sent_at": d.sent_at,
                "updated_at": d.sent_at,
                "body": d.body,
            },
        )
        if inserted.rowcount != 1:
            row = c.execute(BY_MUID, {"who": d.sender, "key": d.muid}).fetchone()
            return Stored(MessageRow(*row), new=False)
        self._last_id = message_id
        place = {"conversation": d.conversation_id, "id": message_id, "sent_at": d.sent_at}
        if c.execute(TOUCH_CONVERSATION, place).rowcount != 1:
            c.execute(START_CONVERSATION, place)
            if d.receiver_type == "user":
                for uid in {d.sender, d.receiver}:
                    c.execute(ADD_PARTICIPANT, {"uid": uid, "conversation_id": d.conversation_id})
        return Stored(
            MessageRow(
                message_id, d.conversation_id, d.sender, d.receiver, d.receiver_type, d.category, d.type,
                d.sent_at, d.sent_at, None, None, None, None, None, None, d.body,
            ),
            new=True,
        )  # fmt: skip

    async def message(self, message_id: int) -> MessageRow | None:
        """A message, or None."""
        row = self._one(MESSAGE, {"key": message_id})
        return MessageRow._make(row) if row else None

    async def messages(self, wanted: MessageFilter) -> list[MessageRow]:
        """Messages as a filter wants them."""
        if wanted == MessageFilter(wanted.reader, limit=1):
            # The newest of all that a reader may see, without a walk through the messages of others.
            (latest,) = self._one(LATEST_OF, {"reader": wanted.reader})
            newest = await self.message(latest)
            return [newest] if newest is not None else []
        return [MessageRow._make(row) for row in self._all(list_messages(wanted.shape()), parameters(wanted))]

    async def edit_message(
        self, message_id: int, body: bytes, editor: str, now: int, action: Callable[[MessageRow], Draft]
    ) -> Stored | None:
        """Change a message's body and store the action message that says so. None when it was deleted meanwhile."""

        def edit(c: sqlite3.Connection) -> Stored | None:
            changed = c.execute(
                "UPDATE messages SET body = ?, edited_at = ?, edited_by = ?, updated_at = ?"
                " WHERE id = ? AND deleted_at IS NULL",
                (body, now, editor, now, message_id),
            )
            return self._told(c, message_id, action) if changed.rowcount else None

        return await self._writer.submit(edit)

    async def delete_message(
        self, message_id: int, body: bytes, deleter: str, now: int, action: Callable[[MessageRow], Draft]
    ) -> Stored | None:
        """Mark a message as deleted, take its content away, and store the action message. None when it was already."""

        def delete(c: sqlite3.Connection) -> Stored | None:
            changed = c.execute(
                "UPDATE messages SET body = ?, deleted_at = ?, deleted_by = ?, updated_at = ?"
                " WHERE id = ? AND deleted_at IS NULL",
                (body, now, deleter, now, message_id),
            )
            return self._told(c, message_id, action) if changed.rowcount else None

        return await self._writer.submit(delete)

    def _told(self, c: sqlite3.Connection, message_id: int, action: Callable[[MessageRow], Draft]) -> Stored:
        return self._insert(c, action(MessageRow(*c.execute(MESSAGE, {"key": message_id}).fetchone())))

    async def mark(self, conversation_id: str, reader: str, up_to: int, now: int, *, read: bool, group: bool) -> bool:
        """Note that a reader has received, or read, a conversation up to a message. False when that was known."""

        def note(c: sqlite3.Connection) -> bool:
            c.execute("INSERT INTO marks VALUES (?, ?, 0, 0) ON CONFLICT DO NOTHING", (conversation_id, reader))
            column = "read_id" if read else "delivered_id"
            where = "WHERE conversation_id = ? AND uid = ?"
            (known,) = c.execute(f"SELECT {column} FROM marks {where}", (conversation_id, reader)).fetchone()
            if known >= up_to:
                return False
            c.execute(f"UPDATE marks SET {column} = ? {where}", (up_to, conversation_id, reader))
            if not group:
                times = "delivered_at = coalesce(delivered_at, :now)" + (", read_at = :now" if read else "")
                unset = "read_at" if read else "delivered_at"
                c.execute(
                    f"UPDATE messages SET {times}, updated_at = :now WHERE conversation_id = :conversation"
                    f" AND id > :known AND id <= :up_to AND receiver = :reader AND {unset} IS NULL",
                    {"now": now, "conversation": conversation_id, "known": known, "up_to": up_to, "reader": reader},
                )
            return True

        return await self._writer.submit(note)
