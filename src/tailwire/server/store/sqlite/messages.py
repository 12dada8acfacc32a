"""Writes messages, and searches them.

A message is stored in one transaction with all that it changes: its conversation, mentions, references to files, and
events for webhooks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import Draft, EditedContent, ListedRow, MessageRow, Stored, Trait
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.ports.world import World
from tailwire.server.store.sql import removed_names
from tailwire.server.store.sql.listing import filter_parameters, list_messages
from tailwire.server.store.sql.messages import MessageRows
from tailwire.server.store.sql.removed_sends import IS_REMOVED_SQL
from tailwire.server.store.sql.statements import (
    ADD_PARTICIPANT_SQL,
    INSERT_MESSAGE_SQL,
    LAST_MESSAGE_SQL,
    MESSAGE_BY_MUID_SQL,
    MESSAGE_SQL,
    START_CONVERSATION_SQL,
    TOUCH_CONVERSATION_SQL,
)
from tailwire.server.store.sqlite.database import Database
from tailwire.server.store.sqlite.files import Files
from tailwire.server.store.sqlite.search_index import SearchIndex, match_query
from tailwire.server.store.sqlite.standings import check_group_act, check_message_act
from tailwire.server.store.sqlite.webhooks import Webhooks

TABLES_OF_MESSAGES = ("reactions", "mentions", "saves", "flags", "interactions", "subscriptions", "edits")
"""Tables whose rows belong to the message in their column `message_id`, and are deleted with it."""
_SEARCHABLE = int(Trait.SEARCHABLE)
_IS_MEMBER_SQL = "SELECT 1 FROM members WHERE guid = ? AND uid = ?"


class Messages(MessageRows):
    """`MessageStore` on SQLite."""

    def __init__(self, database: Database, index: SearchIndex, files: Files, webhooks: Webhooks, world: World) -> None:
        super().__init__(database)
        self._db: Database = database
        self._index = index
        self._files = files
        self._webhooks = webhooks
        self._world = world

    async def add(self, draft: Draft, act: GroupAct | None = None) -> Stored:
        stored = await self._db.write(lambda c: self.insert(c, draft, act))
        if draft.traits & _SEARCHABLE:
            self._index.update_soon()
        return stored

    def insert(self, c: sqlite3.Connection, d: Draft, act: GroupAct | None = None) -> Stored:
        """Store a message, or return an earlier one with this muid. For use in an operation of the writer.

        Args:
            act: requires the sender to be a member of the group, and explains a refusal; None to require nothing.

        Raises:
            Refused: ERR_MESSAGE_REMOVED, a message with this muid was removed; if the sender is not a member, raised by
                `act.allowed`; ERR_UID_NOT_FOUND, ERR_GUID_NOT_FOUND, one of the two was removed; ERR_NOT_A_MEMBER.
        """
        removed = self._removed_name(c, d)
        if removed or (act and c.execute(_IS_MEMBER_SQL, (act.guid, act.actor)).fetchone() is None):
            return _find_stored(c, d, act, removed)
        if d.muid is not None and c.execute(IS_REMOVED_SQL, (d.sender, d.muid)).fetchone() is not None:
            raise Refused("ERR_MESSAGE_REMOVED")
        message_id = self._db.last_id + 1
        inserted = c.execute(
            INSERT_MESSAGE_SQL,
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
                "quoted_id": d.quoted_id,
                "traits": d.traits,
            },
        )
        if inserted.rowcount != 1:
            row = c.execute(MESSAGE_BY_MUID_SQL, {"who": d.sender, "key": d.muid}).fetchone()
            return Stored(MessageRow(*row), new=False)
        self._db.last_id = message_id
        is_shown = 1 if d.shown and d.parent_id is None else 0
        place = {"conversation": d.conversation_id, "id": message_id, "sent_at": d.sent_at, "shown": is_shown}
        predecessor = c.execute(LAST_MESSAGE_SQL, place).fetchone()
        if c.execute(TOUCH_CONVERSATION_SQL, place).rowcount != 1:
            c.execute(START_CONVERSATION_SQL, {**place, "shown_id": message_id if is_shown else 0})
            if d.receiver_type == "user":
                for uid in {d.sender, d.receiver}:
                    c.execute(ADD_PARTICIPANT_SQL, {"uid": uid, "conversation_id": d.conversation_id})
        if d.parent_id is not None:
            _count_reply(c, d)
        if d.mentions:
            _add_mentions(c, message_id, d.conversation_id, d.mentions)
        if d.files:
            self._files.use(c, "message", message_id, d.files)
        row = MessageRow(
            message_id, d.conversation_id, d.sender, d.receiver, d.receiver_type, d.category, d.type,
            d.sent_at, d.sent_at, None, None, None, None, None, None, d.body,
            d.parent_id, 0, None, None, d.quoted_id, d.traits,
        )  # fmt: skip
        self._webhooks.enqueue(c, d.events, row)
        return Stored(row, new=True, predecessor_id=predecessor[0] if predecessor else 0)

    async def _search(self, criteria: MessageFilter) -> list[ListedRow]:
        await self._index.update_all()
        expression = match_query(criteria.search, await self._searched(criteria))
        if not expression:
            return []
        shape = criteria.shape()
        values = filter_parameters(criteria, shape) | {"search": expression}
        rows = await self._db.long_rows(list_messages(shape, self._db.dialect.name), values)
        return list(map(ListedRow._make, rows))

    async def edit(
        self,
        act: MessageAct,
        now: int,
        change: Callable[[MessageRow], EditedContent],
        announce: Callable[[MessageRow], Draft],
    ) -> Stored:
        def edit(c: sqlite3.Connection) -> Stored:
            before = check_message_act(c, act).message
            after = change(before)
            kept = int(Trait.REACTION | Trait.INTERACTED)
            c.execute(
                "UPDATE messages SET body = ?, traits = ? | (traits & ?), edited_at = ?, edited_by = ?, updated_at = ?"
                " WHERE id = ?",
                (after.body, after.traits, kept, now, act.actor, now, before.id),
            )
            if after.mentions is not None:
                c.execute("DELETE FROM mentions WHERE message_id = ?", (before.id,))
                _add_mentions(c, before.id, before.conversation_id, after.mentions)
            if after.files is not None:
                self._files.use(c, "message", before.id, after.files)
            self._index.update(c, before.id, before.conversation_id, before.body, after.body)
            stored = self._announce(c, before.id, announce)
            _keep_last_edit(c, before.id, stored.message.id)
            return stored

        return await self._db.write(edit)

    async def delete(
        self, act: MessageAct, now: int, empty: Callable[[MessageRow], bytes], announce: Callable[[MessageRow], Draft]
    ) -> Stored:
        def delete(c: sqlite3.Connection) -> Stored:
            before = check_message_act(c, act).message
            c.execute(
                "UPDATE messages SET body = ?, traits = 0, deleted_at = ?, deleted_by = ?, updated_at = ?,"
                " pinned_at = NULL, pinned_by = NULL WHERE id = ?",
                (empty(before), now, act.actor, now, before.id),
            )
            self._index.update(c, before.id, before.conversation_id, before.body, None)
            for table in ("mentions", "reactions", "saves"):
                c.execute(f"DELETE FROM {table} WHERE message_id = ?", (before.id,))
            self._files.use(c, "message", before.id, ())
            forget_last_edit(c, before.id)  # its action message has the content
            return self._announce(c, before.id, announce)

        return await self._db.write(delete)

    def _removed_name(self, c: sqlite3.Connection, d: Draft) -> tuple[str, str] | None:
        # The kind and the name of one of the two ends of the message that was removed meanwhile.
        oldest = c.execute(removed_names.OLDEST_SQL).fetchone()
        if oldest is None:
            return None
        since = self._world.seconds() - removed_names.KEPT_SECONDS
        if oldest[0] <= since:
            c.execute(removed_names.FORGET_SQL.format(since="?"), (since,))
        found: tuple[str, str] | None = c.execute(removed_names.REMOVED_SQL, removed_names.names_of(d)).fetchone()
        return found

    def _announce(self, c: sqlite3.Connection, message_id: int, action: Callable[[MessageRow], Draft]) -> Stored:
        return self.insert(c, action(MessageRow(*c.execute(MESSAGE_SQL, {"key": message_id}).fetchone())))


def _find_stored(c: sqlite3.Connection, d: Draft, act: GroupAct | None, removed: tuple[str, str] | None) -> Stored:
    # The sender left, or one of the two ends was removed meanwhile. A repeated send still returns its message.
    row = c.execute(MESSAGE_BY_MUID_SQL, {"who": d.sender, "key": d.muid}).fetchone()
    if row is None:
        if act is not None:
            check_group_act(c, act)
        if removed is not None:
            raise removed_names.refusal(*removed)
        raise Refused("ERR_NOT_A_MEMBER")
    return Stored(MessageRow(*row), new=False)


def _count_reply(c: sqlite3.Connection, d: Draft) -> None:
    # A reply subscribes its sender to the thread.
    c.execute(
        "UPDATE messages SET reply_count = reply_count + 1, updated_at = max(updated_at, ?) WHERE id = ?",
        (d.sent_at, d.parent_id),
    )
    c.execute("INSERT INTO subscriptions VALUES (?, ?) ON CONFLICT DO NOTHING", (d.sender, d.parent_id))


def forget_last_edit(c: sqlite3.Connection, message_id: int) -> None:
    """Delete the message that announced the last edit of a message, if there is one, with all rows that belong to it.

    For use in an operation of the writer.

    Args:
        message_id: the edited message.
    """
    known = c.execute("SELECT action_id FROM edits WHERE message_id = ?", (message_id,)).fetchone()
    if known:
        c.execute("DELETE FROM edits WHERE message_id = ?", (message_id,))
        for table in TABLES_OF_MESSAGES:
            c.execute(f"DELETE FROM {table} WHERE message_id = ?", known)
        c.execute("DELETE FROM messages WHERE id = ?", known)


def _keep_last_edit(c: sqlite3.Connection, message_id: int, action_id: int) -> None:
    # An edit's action message holds the message as it is now, so the last one is enough.
    forget_last_edit(c, message_id)
    c.execute("INSERT INTO edits VALUES (?, ?)", (message_id, action_id))


def _add_mentions(
    c: sqlite3.Connection, message_id: int, conversation_id: ConversationKey, uids: Iterable[str]
) -> None:
    sql = "INSERT INTO mentions (message_id, uid, conversation_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    c.executemany(sql, [(message_id, uid, conversation_id) for uid in uids])
