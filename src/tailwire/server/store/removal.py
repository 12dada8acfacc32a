"""What is deleted for good: users, groups, messages, with all that hangs on them. No id is given out again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from tailwire.server.ports.conversations import ConversationKey, key_of
from tailwire.server.ports.records import Event, MessageRow, Trait
from tailwire.server.ports.standing import GroupAct, GroupStanding
from tailwire.server.store.groups import Groups
from tailwire.server.store.keys import Keys
from tailwire.server.store.relations import Relations
from tailwire.server.store.standing import may_act

_OF_MESSAGES = ("reactions", "mentions", "saves", "flags", "interactions", "subscriptions", "edits")


class Removal(Groups, Relations, Keys):
    """Deletes for good."""

    async def remove_user(self, uid: str, *, with_messages: bool) -> tuple[list[str], list[str]]:
        """Forget a user, with or without what they wrote.

        Returns:
            The groups that they were in, and the hashes of their auth tokens.
        """

        def remove(c: sqlite3.Connection) -> tuple[list[str], list[str]]:
            mine = "(SELECT guid FROM members WHERE uid = ?)"
            groups = [row[0] for row in c.execute("SELECT guid FROM members WHERE uid = ?", (uid,))]
            c.execute(f"UPDATE groups SET members_count = members_count - 1 WHERE guid IN {mine}", (uid,))
            if with_messages:
                own = "(SELECT conversation_id FROM participants WHERE uid = ?)"
                self._forget(c, f"sender = ? OR conversation_id IN {own}", (uid, uid))
                for table in ("marks", "conversations"):
                    c.execute(f"DELETE FROM {table} WHERE conversation_id IN {own}", (uid,))
                c.execute(f"DELETE FROM participants WHERE conversation_id IN {own}", (uid,))
            tokens = self._gone(
                c.execute("DELETE FROM auth_tokens WHERE uid = ? RETURNING token_hash", (uid,)).fetchall()
            )
            for table in ("users", "members", "bans", "saves", "subscriptions"):
                c.execute(f"DELETE FROM {table} WHERE uid = ?", (uid,))
            c.execute("DELETE FROM blocks WHERE uid = ? OR blocked = ?", (uid, uid))
            c.execute("DELETE FROM friends WHERE uid = ? OR friend = ?", (uid, uid))
            self._writer.after_commit(lambda: self._forget_pairs(uid))
            return groups, tokens

        return await self._writer.submit(remove)

    async def remove_group(self, act: GroupAct, told: Callable[[GroupStanding], Sequence[Event]]) -> list[str]:
        """Forget a group and what was said in it. Answers who was in it.

        Raises:
            Refused: when the act may not be done.
        """

        def remove(c: sqlite3.Connection) -> list[str]:
            guid = act.guid
            events = told(may_act(c, act))
            members = [row[0] for row in c.execute("SELECT uid FROM members WHERE guid = ?", (guid,))]
            self._forget_conversation(c, key_of("", guid, "group"))
            for table in ("members", "bans", "groups"):
                c.execute(f"DELETE FROM {table} WHERE guid = ?", (guid,))
            self._enqueue_all(c, events, None)
            return members

        return await self._writer.submit(remove)

    async def remove_conversation(self, conversation_id: ConversationKey) -> None:
        """Forget what was said in a conversation, for everybody."""
        await self._writer.submit(lambda c: self._forget_conversation(c, conversation_id))

    async def remove_message(self, message: MessageRow) -> None:
        """Forget a message for good."""

        def remove(c: sqlite3.Connection) -> None:
            self._forget(c, "id = ?", (message.id,))
            sql = "UPDATE messages SET reply_count = reply_count - 1 WHERE id = ? AND reply_count > 0"
            c.execute(sql, (message.parent_id,))
            shown = (
                "(SELECT coalesce(max(id), 0) FROM messages WHERE conversation_id = ? AND parent_id IS NULL AND id < ?)"
            )
            sql = f"UPDATE conversations SET shown_message_id = {shown} WHERE shown_message_id = ?"
            c.execute(sql, (message.conversation_id, message.id, message.id))

        await self._writer.submit(remove)

    def _forget_conversation(self, c: sqlite3.Connection, conversation_id: ConversationKey) -> None:
        self._forget(c, "conversation_id = ?", (conversation_id,))
        for table in ("conversations", "marks", "receipts", "participants"):
            c.execute(f"DELETE FROM {table} WHERE conversation_id = ?", (conversation_id,))

    def _forget(self, c: sqlite3.Connection, which: str, values: tuple[Any, ...]) -> None:
        sql = f"SELECT id, conversation_id, body FROM messages WHERE ({which}) AND traits & {int(Trait.SEARCHABLE)}"
        for number, conversation, body in c.execute(sql, values).fetchall():
            self._reindex(c, number, conversation, body, None)
        for table in _OF_MESSAGES:
            c.execute(f"DELETE FROM {table} WHERE message_id IN (SELECT id FROM messages WHERE {which})", values)
        c.execute(f"DELETE FROM messages WHERE {which}", values)
        c.execute("UPDATE app SET last_id = ?", (self._last_id,))
