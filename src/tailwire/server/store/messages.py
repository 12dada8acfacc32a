"""Messages: each is stored once, in the order of the ids, together with all changes that it causes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from tailwire.server.ports.conversations import GROUP_KEY, ConversationKey
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import Draft, Edited, ListedRow, MessageRow, Stored, Trait
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.store.database import Database
from tailwire.server.store.files import Files
from tailwire.server.store.listing import LATEST_OF, list_messages, match, parameters
from tailwire.server.store.search_index import SearchIndex
from tailwire.server.store.standings import may_act, may_change
from tailwire.server.store.statements import (
    ADD_PARTICIPANT,
    BY_MUID,
    INSERT_MESSAGE,
    LAST_OF,
    MESSAGE,
    START_CONVERSATION,
    TOUCH_CONVERSATION,
)
from tailwire.server.store.webhooks import Webhooks

MAX_SEARCHED_CONVERSATIONS = 200
TABLES_OF_MESSAGES = ("reactions", "mentions", "saves", "flags", "interactions", "subscriptions", "edits")
"""Tables whose rows belong to a message."""
MAX_IN_LOOP = 100  # messages of a page that is read in the event loop's thread
_IS_MEMBER = "SELECT 1 FROM members WHERE guid = ? AND uid = ?"
_NEWEST = MessageFilter("any").shape()


class Messages:
    """`MessageStore` on SQLite."""

    def __init__(self, database: Database, index: SearchIndex, files: Files, webhooks: Webhooks) -> None:
        self._db = database
        self._index = index
        self._files = files
        self._webhooks = webhooks

    async def add(self, draft: Draft, act: GroupAct | None = None) -> Stored:
        stored = await self._db.write(lambda c: self.insert(c, draft, act))
        if draft.traits & Trait.SEARCHABLE:
            self._index.update_soon()
        return stored

    def insert(self, c: sqlite3.Connection, d: Draft, act: GroupAct | None = None) -> Stored:
        """Within an operation: store a message, as `add`."""
        if act is not None and c.execute(_IS_MEMBER, (act.guid, act.by)).fetchone() is None:
            return _stored_before(c, d, act)
        message_id = self._db.last_id + 1
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
                "quoted_id": d.quoted_id,
                "traits": d.traits,
            },
        )
        if inserted.rowcount != 1:
            row = c.execute(BY_MUID, {"who": d.sender, "key": d.muid}).fetchone()
            return Stored(MessageRow(*row), new=False)
        self._db.last_id = message_id
        shown = 1 if d.shown and d.parent_id is None else 0
        place = {"conversation": d.conversation_id, "id": message_id, "sent_at": d.sent_at, "shown": shown}
        before = c.execute(LAST_OF, place).fetchone()
        if c.execute(TOUCH_CONVERSATION, place).rowcount != 1:
            c.execute(START_CONVERSATION, {**place, "shown_id": message_id if shown else 0})
            if d.receiver_type == "user":
                for uid in {d.sender, d.receiver}:
                    c.execute(ADD_PARTICIPANT, {"uid": uid, "conversation_id": d.conversation_id})
        if d.parent_id is not None:
            _count_reply(c, d)
        if d.mentions:
            _mention(c, message_id, d.conversation_id, d.mentions)
        if d.files:
            self._files.use(c, "message", message_id, d.files)
        row = MessageRow(
            message_id, d.conversation_id, d.sender, d.receiver, d.receiver_type, d.category, d.type,
            d.sent_at, d.sent_at, None, None, None, None, None, None, d.body,
            d.parent_id, 0, None, None, d.quoted_id, d.traits,
        )  # fmt: skip
        self._webhooks.enqueue(c, d.events, row)
        return Stored(row, new=True, before=before[0] if before else 0)

    async def get(self, message_id: int) -> MessageRow | None:
        row = await self._db.one(MESSAGE, {"key": message_id})
        return MessageRow._make(row) if row else None

    async def by_muid(self, sender: str, muid: str) -> MessageRow | None:
        row = await self._db.one(BY_MUID, {"who": sender, "key": muid})
        return MessageRow._make(row) if row else None

    async def by_ids(self, ids: Iterable[int]) -> dict[int, MessageRow]:
        rows = await self._db.each(MESSAGE, [{"key": number} for number in sorted(set(ids))])
        return {row[0]: MessageRow._make(row) for row in rows if row}

    async def mentioned_in(self, message_id: int) -> tuple[str, ...]:
        rows = await self._db.rows("SELECT uid FROM mentions WHERE message_id = ? ORDER BY uid", (message_id,))
        return tuple(row[0] for row in rows)

    async def find(self, wanted: MessageFilter) -> list[ListedRow]:
        if wanted.limit == 1 and wanted.reader and wanted.shape() == _NEWEST:
            # The newest message that a reader may see, without a walk through other people's messages.
            ((latest,),) = await self._db.rows(LATEST_OF, {"reader": wanted.reader})
            newest = await self.get(latest)
            return [ListedRow(*[getattr(newest, name) for name in ListedRow._fields])] if newest is not None else []
        values = parameters(wanted)
        if wanted.search:
            await self._index.update_all()
            values["search"] = match(wanted.search, await self._searched(wanted))
            if not values["search"]:
                return []
        sql = list_messages(wanted.shape())
        rows: list[Any]
        if wanted.limit <= MAX_IN_LOOP and wanted.is_common():  # nearly always a range of an index
            rows = await self._db.rows(sql, values)
        else:
            rows = await self._db.read_long(lambda c: c.execute(sql, values).fetchall())
        return list(map(ListedRow._make, rows))

    async def _searched(self, wanted: MessageFilter) -> list[ConversationKey]:
        # Return the conversations to search: the index looks them up together with the words. With too many of them,
        # only the words are looked up, and access is checked for each message.
        if wanted.conversation_id is not None:
            return [wanted.conversation_id]
        if not wanted.reader:
            return []
        rows = await self._db.rows(
            "SELECT conversation_id FROM participants WHERE uid = :reader UNION ALL"
            f" SELECT '{GROUP_KEY}' || guid FROM members WHERE uid = :reader LIMIT :limit",
            {"reader": wanted.reader, "limit": MAX_SEARCHED_CONVERSATIONS + 1},
        )
        return [row[0] for row in rows] if len(rows) <= MAX_SEARCHED_CONVERSATIONS else []

    async def edit(
        self, act: MessageAct, now: int, change: Callable[[MessageRow], Edited], announce: Callable[[MessageRow], Draft]
    ) -> Stored:
        def edit(c: sqlite3.Connection) -> Stored:
            before = may_change(c, act).message
            after = change(before)
            kept = int(Trait.REACTION | Trait.INTERACTED)
            c.execute(
                "UPDATE messages SET body = ?, traits = ? | (traits & ?), edited_at = ?, edited_by = ?, updated_at = ?"
                " WHERE id = ?",
                (after.body, after.traits, kept, now, act.by, now, before.id),
            )
            if after.mentions is not None:
                c.execute("DELETE FROM mentions WHERE message_id = ?", (before.id,))
                _mention(c, before.id, before.conversation_id, after.mentions)
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
            before = may_change(c, act).message
            c.execute(
                "UPDATE messages SET body = ?, traits = 0, deleted_at = ?, deleted_by = ?, updated_at = ?,"
                " pinned_at = NULL, pinned_by = NULL WHERE id = ?",
                (empty(before), now, act.by, now, before.id),
            )
            self._index.update(c, before.id, before.conversation_id, before.body, None)
            for table in ("mentions", "reactions", "saves"):
                c.execute(f"DELETE FROM {table} WHERE message_id = ?", (before.id,))
            self._files.use(c, "message", before.id, ())
            forget_last_edit(c, before.id)  # its action message has the content
            return self._announce(c, before.id, announce)

        return await self._db.write(delete)

    def _announce(self, c: sqlite3.Connection, message_id: int, action: Callable[[MessageRow], Draft]) -> Stored:
        return self.insert(c, action(MessageRow(*c.execute(MESSAGE, {"key": message_id}).fetchone())))


def _stored_before(c: sqlite3.Connection, d: Draft, act: GroupAct) -> Stored:
    # The sender left, was removed, or the group was deleted meanwhile. A repeated send still returns its message.
    row = c.execute(BY_MUID, {"who": d.sender, "key": d.muid}).fetchone()
    if row is None:
        may_act(c, act)
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
    """Delete the action message of a message's last edit, with all rows that belong to it."""
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


def _mention(c: sqlite3.Connection, message_id: int, conversation_id: ConversationKey, uids: Iterable[str]) -> None:
    sql = "INSERT INTO mentions (message_id, uid, conversation_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    c.executemany(sql, [(message_id, uid, conversation_id) for uid in uids])
