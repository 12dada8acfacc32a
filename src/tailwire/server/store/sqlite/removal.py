"""Permanent removal of users, groups, conversations and messages, with all that belongs to them. Ids are not reused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from tailwire.server.ports import change_log
from tailwire.server.ports.conversations import ConversationKey, key_of
from tailwire.server.ports.records import Event, MemberRow, MessageRow, Trait
from tailwire.server.ports.standing import GroupAct, GroupStanding
from tailwire.server.ports.world import World
from tailwire.server.store.sql import removed_names
from tailwire.server.store.sql.change_log import KEEP_HIGHEST_SQL, OF_CONVERSATION_CONDITION, OF_USER_CONDITION
from tailwire.server.store.sql.files import CONDEMNED
from tailwire.server.store.sql.read_state import MEMBERSHIPS_WITH_RECEIPTS_SQL
from tailwire.server.store.sql.removed_sends import FORGET_SQL, KEPT_SECONDS, REMEMBER_SQL
from tailwire.server.store.sql.users import LEAVE_GROUPS_SQL, TABLES_OF_USER
from tailwire.server.store.sqlite.change_log import ChangeLog
from tailwire.server.store.sqlite.chores import (
    LATE_REMOVED_USER,
    LATE_SECONDS,
    REMOVED_USER,
    REMOVED_WORDS,
    Chores,
    add_chore,
)
from tailwire.server.store.sqlite.database import Database
from tailwire.server.store.sqlite.files import Files
from tailwire.server.store.sqlite.messages import TABLES_OF_MESSAGES, forget_last_edit
from tailwire.server.store.sqlite.read_state import ReadState, record_times_without
from tailwire.server.store.sqlite.relations import Blocks
from tailwire.server.store.sqlite.search_index import SearchIndex
from tailwire.server.store.sqlite.standings import check_group_act
from tailwire.server.store.sqlite.tokens import Tokens
from tailwire.server.store.sqlite.webhooks import Webhooks

# Run after messages were removed, to update the last message of a conversation and the number of replies to a message.
_LAST_MESSAGE_ID = "coalesce((SELECT id FROM messages WHERE conversation_id = :of {which} ORDER BY id DESC LIMIT 1), 0)"
_SHOWN = (
    "AND id <= shown_message_id AND parent_id IS NULL AND NOT (category = 'action' AND type = 'message') AND NOT"
    " (category = 'custom' AND json_valid(CAST(body AS TEXT))"
    " AND json_extract(CAST(body AS TEXT), '$.data.updateConversation') IS 0)"
)
_UPDATE_LAST_SQL = (
    f"UPDATE conversations SET last_message_id = {_LAST_MESSAGE_ID.format(which='')},"
    f" shown_message_id = {_LAST_MESSAGE_ID.format(which=_SHOWN)} WHERE conversation_id = :of"
)
_COUNT_REPLIES_SQL = (
    "UPDATE messages SET reply_count = (SELECT count(*) FROM messages WHERE parent_id = :of) WHERE id = :of"
)


class Removal:
    """`ports.store.Removal` on SQLite."""

    def __init__(
        self,
        database: Database,
        *,
        tokens: Tokens,
        blocks: Blocks,
        files: Files,
        index: SearchIndex,
        chores: Chores,
        read_state: ReadState,
        webhooks: Webhooks,
        log: ChangeLog,
        world: World,
    ) -> None:
        self._db = database
        self._tokens = tokens
        self._blocks = blocks
        self._files = files
        self._index = index
        self._chores = chores
        self._read_state = read_state
        self._webhooks = webhooks
        self._log = log
        self._world = world

    async def remove_user(
        self, uid: str, *, with_messages: bool, anonymous: bool = False, receipt_members: int = 0
    ) -> tuple[list[str], list[str]]:
        def remove(c: sqlite3.Connection) -> tuple[list[str], list[str]]:
            values = {"uid": uid, "most": receipt_members}
            memberships = [MemberRow(*row) for row in c.execute(MEMBERSHIPS_WITH_RECEIPTS_SQL, values)]
            groups = [row[0] for row in c.execute("SELECT guid FROM members WHERE uid = ?", (uid,))]
            c.execute(LEAVE_GROUPS_SQL.format(uid=":uid"), {"uid": uid})
            if with_messages:
                own = "(SELECT conversation_id FROM participants WHERE uid = ?)"
                self.remove_messages(c, f"sender = ? OR conversation_id IN {own}", (uid, uid))
                for table in ("marks", "conversations"):
                    c.execute(f"DELETE FROM {table} WHERE conversation_id IN {own}", (uid,))
                c.execute(f"DELETE FROM participants WHERE conversation_id IN {own}", (uid,))
            if with_messages:
                c.execute(f"UPDATE files SET used = {CONDEMNED}, unused_since = 0 WHERE uid = ?", (uid,))
                add_chore(c, REMOVED_WORDS, "", 0, 0)
            if with_messages or anonymous:
                c.execute("UPDATE files SET uid = '', file_name = 'file' WHERE uid = ?", (uid,))
                add_chore(c, REMOVED_USER, uid, self._db.last_id, 0)
                add_chore(c, LATE_REMOVED_USER, uid, self._db.last_id, self._world.seconds() + LATE_SECONDS)
            self._files.use(c, "user", uid, ())
            self._chores.report_added()
            tokens = self._tokens.end(c, "uid = ?", (uid,))
            for table in TABLES_OF_USER:
                c.execute(f"DELETE FROM {table} WHERE uid = ?", (uid,))
            self._remember(c, "user", uid)
            for membership in memberships:
                record_times_without(c, membership, self._world.seconds())
            self._read_state.forget_user(c, uid)
            c.execute("DELETE FROM blocks WHERE uid = ? OR blocked = ?", (uid, uid))
            c.execute("DELETE FROM friends WHERE uid = ? OR friend = ?", (uid, uid))
            c.execute(KEEP_HIGHEST_SQL)
            own = change_log.own_subject(uid)
            c.execute(f"DELETE FROM change_log WHERE {OF_USER_CONDITION}", {"uid": uid, "own": own})
            self._db.after_commit(lambda: self._blocks.forget(uid))
            return groups, tokens

        return await self._db.write(remove)

    async def remove_group(
        self, act: GroupAct, events: Callable[[GroupStanding], Sequence[Event]]
    ) -> tuple[list[str], int]:
        def remove(c: sqlite3.Connection) -> tuple[list[str], int]:
            guid = act.guid
            reported = events(check_group_act(c, act))
            members = [row[0] for row in c.execute("SELECT uid FROM members WHERE guid = ?", (guid,))]
            self._remove_conversation(c, key_of("", guid, "group"))
            number = self._log.add_group_removal(c, guid, act.actor, act.device)
            self._files.use(c, "group", guid, ())
            for table in ("members", "bans", "groups"):
                c.execute(f"DELETE FROM {table} WHERE guid = ?", (guid,))
            self._remember(c, "group", guid)
            self._webhooks.enqueue(c, reported, None)
            return members, number

        return await self._db.write(remove)

    def _remember(self, c: sqlite3.Connection, kind: str, name: str) -> None:
        # Messages that wait behind this operation of the writer are not stored.
        now = self._world.seconds()
        c.execute(removed_names.REMEMBER_SQL.format(now=":now"), {"kind": kind, "name": name, "now": now})
        c.execute(removed_names.FORGET_SQL.format(since="?"), (now - removed_names.KEPT_SECONDS,))

    async def remove_conversation(
        self, conversation_id: ConversationKey, by: str = "", device: str = ""
    ) -> dict[str, int]:
        changes = change_log.conversation_removed(conversation_id, by, device)

        def remove(c: sqlite3.Connection) -> dict[str, int]:
            sql = "SELECT 1 FROM conversations WHERE conversation_id = ?"
            if c.execute(sql, (conversation_id,)).fetchone() is None:
                return {}
            self._remove_conversation(c, conversation_id)
            now = self._world.seconds()
            return {uid: self._log.add(c, change, now) for uid, change in changes.items()}

        return await self._db.write(remove)

    async def remove_message(self, message: MessageRow) -> None:
        await self._db.write(lambda c: self.remove_messages(c, "id = ?", (message.id,)))

    def _remove_conversation(self, c: sqlite3.Connection, conversation_id: ConversationKey) -> None:
        self.remove_messages(c, "conversation_id = ?", (conversation_id,))
        for table in ("conversations", "marks", "receipts", "participants"):
            c.execute(f"DELETE FROM {table} WHERE conversation_id = ?", (conversation_id,))
        c.execute(KEEP_HIGHEST_SQL)
        c.execute(f"DELETE FROM change_log WHERE {OF_CONVERSATION_CONDITION}", {"conversation": conversation_id})

    def remove_messages(self, c: sqlite3.Connection, which: str, values: tuple[Any, ...]) -> None:
        """Remove messages with all that belongs to them. For use in an operation of the writer.

        Args:
            c: the writer's connection.
            which: the condition on the messages, in SQL with `?` for each of `values`.
            values: the values of the condition.
        """
        sql = f"SELECT id, conversation_id, body FROM messages WHERE ({which}) AND traits & {int(Trait.SEARCHABLE)}"
        for number, conversation, body in c.execute(sql, values).fetchall():
            self._index.update(c, number, conversation, body, None)
        places, threads = (
            c.execute(f"SELECT DISTINCT {of} FROM messages WHERE ({which}) AND {of} IS NOT NULL", values).fetchall()
            for of in ("conversation_id", "parent_id")
        )
        edited = f"SELECT message_id FROM edits WHERE message_id IN (SELECT id FROM messages WHERE {which})"
        for (number,) in c.execute(edited, values).fetchall():
            forget_last_edit(c, number)  # its action message has the content, and may be from another sender
        for table in TABLES_OF_MESSAGES:
            c.execute(f"DELETE FROM {table} WHERE message_id IN (SELECT id FROM messages WHERE {which})", values)
        gone = f"SELECT CAST(id AS TEXT) FROM messages WHERE {which}"
        sql = f"SELECT key FROM file_uses WHERE place = 'message' AND key IN ({gone})"
        for (key,) in c.execute(sql, values).fetchall():
            self._files.use(c, "message", key, ())
        now = self._world.seconds()
        c.execute(REMEMBER_SQL.format(which=which, now="?", since="?"), (now, *values, now - KEPT_SECONDS))
        c.execute(FORGET_SQL.format(since="?"), (now - KEPT_SECONDS,))
        c.execute(f"DELETE FROM messages WHERE {which}", values)
        c.executemany(_UPDATE_LAST_SQL, [{"of": row[0]} for row in places])
        c.executemany(_COUNT_REPLIES_SQL, [{"of": row[0]} for row in threads])
        c.execute("UPDATE app SET last_id = max(last_id, ?)", (self._db.last_id,))
