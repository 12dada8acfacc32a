"""What is deleted for good: users, groups, messages, with all that hangs on them. No id is given out again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from tailwire.server.ports.conversations import ConversationKey, key_of
from tailwire.server.ports.records import Event, MessageRow, Trait
from tailwire.server.ports.standing import GroupAct, GroupStanding
from tailwire.server.store.erasure import USER, WORDS, add_chore
from tailwire.server.store.files import CONDEMNED
from tailwire.server.store.groups import Groups
from tailwire.server.store.keys import Keys
from tailwire.server.store.messages import OF_MESSAGES, forget_last_edit
from tailwire.server.store.relations import Relations
from tailwire.server.store.standing import may_act

# After messages have gone: what a conversation's last message is now, and how many replies a message has.
_LAST = "coalesce((SELECT id FROM messages WHERE conversation_id = :of {which} ORDER BY id DESC LIMIT 1), 0)"
_SHOWN = (
    "AND id <= shown_message_id AND parent_id IS NULL AND NOT (category = 'action' AND type = 'message') AND NOT"
    " (category = 'custom' AND json_valid(CAST(body AS TEXT))"
    " AND json_extract(CAST(body AS TEXT), '$.data.updateConversation') IS 0)"
)
_SETTLE = (
    f"UPDATE conversations SET last_message_id = {_LAST.format(which='')},"
    f" shown_message_id = {_LAST.format(which=_SHOWN)} WHERE conversation_id = :of"
)
_RECOUNT = "UPDATE messages SET reply_count = (SELECT count(*) FROM messages WHERE parent_id = :of) WHERE id = :of"


class Removal(Groups, Relations, Keys):
    """Deletes for good."""

    async def remove_user(
        self, uid: str, *, with_messages: bool, anonymous: bool = False
    ) -> tuple[list[str], list[str]]:
        """Forget a user.

        Args:
            with_messages: what they wrote and uploaded goes too, and in what others wrote nothing is left but the uid.
            anonymous: what they wrote stays, and nothing is left in it but the uid.

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
            if with_messages:
                c.execute(f"UPDATE files SET used = {CONDEMNED}, unused_since = 0 WHERE uid = ?", (uid,))
                add_chore(c, WORDS, "", 0, 0)
            if with_messages or anonymous:
                c.execute("UPDATE files SET uid = '', file_name = 'file' WHERE uid = ?", (uid,))
                add_chore(c, USER, uid, self._last_id, 0)
            self._use_files(c, "user", uid, ())
            self._left_over()
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
            self._use_files(c, "group", guid, ())
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
        await self._writer.submit(lambda c: self._forget(c, "id = ?", (message.id,)))

    def _forget_conversation(self, c: sqlite3.Connection, conversation_id: ConversationKey) -> None:
        self._forget(c, "conversation_id = ?", (conversation_id,))
        for table in ("conversations", "marks", "receipts", "participants"):
            c.execute(f"DELETE FROM {table} WHERE conversation_id = ?", (conversation_id,))

    def _forget(self, c: sqlite3.Connection, which: str, values: tuple[Any, ...]) -> None:
        sql = f"SELECT id, conversation_id, body FROM messages WHERE ({which}) AND traits & {int(Trait.SEARCHABLE)}"
        for number, conversation, body in c.execute(sql, values).fetchall():
            self._reindex(c, number, conversation, body, None)
        places, threads = (
            c.execute(f"SELECT DISTINCT {of} FROM messages WHERE ({which}) AND {of} IS NOT NULL", values).fetchall()
            for of in ("conversation_id", "parent_id")
        )
        edited = f"SELECT message_id FROM edits WHERE message_id IN (SELECT id FROM messages WHERE {which})"
        for (number,) in c.execute(edited, values).fetchall():
            forget_last_edit(c, number)  # it has what the message said, and somebody else may have made it
        for table in OF_MESSAGES:
            c.execute(f"DELETE FROM {table} WHERE message_id IN (SELECT id FROM messages WHERE {which})", values)
        gone = f"SELECT CAST(id AS TEXT) FROM messages WHERE {which}"
        sql = f"SELECT key FROM file_uses WHERE place = 'message' AND key IN ({gone})"
        for (key,) in c.execute(sql, values).fetchall():
            self._use_files(c, "message", key, ())
        c.execute(f"DELETE FROM messages WHERE {which}", values)
        c.executemany(_SETTLE, [{"of": row[0]} for row in places])
        c.executemany(_RECOUNT, [{"of": row[0]} for row in threads])
        c.execute("UPDATE app SET last_id = ?", (self._last_id,))
