"""Messages: each stored once, in the order of their ids, with what its arrival changes elsewhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from tailwire.server.ports.conversations import GROUP_KEY, ConversationKey
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import Draft, Edited, Event, ListedRow, MessageRow, Stored, Trait
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.store.listing import LATEST_OF, list_messages, match, parameters
from tailwire.server.store.search import Search
from tailwire.server.store.standing import may_act, may_change
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

MAX_PLACES = 200
OF_MESSAGES = ("reactions", "mentions", "saves", "flags", "interactions", "subscriptions", "edits")
"""Tables of what hangs on a message."""
MAX_IN_PLACE = 100  # messages of a page that is read in the event loop's thread
_IS_MEMBER = "SELECT 1 FROM members WHERE guid = ? AND uid = ?"
_NEWEST = MessageFilter("anybody").shape()


class Messages(Search, Webhooks):
    """Messages. Ids rise in the order of the commits (see `writer`)."""

    async def add_message(self, draft: Draft, act: GroupAct | None = None) -> Stored:
        """Store a message once: a muid that its sender has used before gives the message of then.

        Args:
            act: for a message of a group's member: it is stored only as long as they are one.

        Raises:
            Refused: as the act says of somebody who is no member.
        """
        stored = await self._writer.submit(lambda c: self._insert(c, draft, act))
        if draft.traits & Trait.SEARCHABLE:
            self._index_soon()
        return stored

    def _insert(self, c: sqlite3.Connection, d: Draft, act: GroupAct | None = None) -> Stored:
        if act is not None and c.execute(_IS_MEMBER, (act.guid, act.by)).fetchone() is None:
            return self._of_former_member(c, d, act)
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
                "quoted_id": d.quoted_id,
                "traits": d.traits,
            },
        )
        if inserted.rowcount != 1:
            row = c.execute(BY_MUID, {"who": d.sender, "key": d.muid}).fetchone()
            return Stored(MessageRow(*row), new=False)
        self._last_id = message_id
        shown = 1 if d.shown and d.parent_id is None else 0
        place = {"conversation": d.conversation_id, "id": message_id, "sent_at": d.sent_at, "shown": shown}
        before = c.execute(LAST_OF, place).fetchone()
        if c.execute(TOUCH_CONVERSATION, place).rowcount != 1:
            c.execute(START_CONVERSATION, {**place, "shown_id": message_id if shown else 0})
            if d.receiver_type == "user":
                for uid in {d.sender, d.receiver}:
                    c.execute(ADD_PARTICIPANT, {"uid": uid, "conversation_id": d.conversation_id})
        if d.parent_id is not None:
            self._replied(c, d)
        if d.mentions:
            _mention(c, message_id, d.conversation_id, d.mentions)
        if d.files:
            self._use_files(c, "message", message_id, d.files)
        row = MessageRow(
            message_id, d.conversation_id, d.sender, d.receiver, d.receiver_type, d.category, d.type,
            d.sent_at, d.sent_at, None, None, None, None, None, None, d.body,
            d.parent_id, 0, None, None, d.quoted_id, d.traits,
        )  # fmt: skip
        self._enqueue_all(c, d.events, row)
        return Stored(row, new=True, before=before[0] if before else 0)

    @staticmethod
    def _of_former_member(c: sqlite3.Connection, d: Draft, act: GroupAct) -> Stored:
        # They left, were put out, or the group went, while it was on its way. What was stored before keeps its answer.
        row = c.execute(BY_MUID, {"who": d.sender, "key": d.muid}).fetchone()
        if row is None:
            may_act(c, act)
            raise Refused("ERR_NOT_A_MEMBER")
        return Stored(MessageRow(*row), new=False)

    @staticmethod
    def _replied(c: sqlite3.Connection, d: Draft) -> None:
        # Who replies is subscribed to the thread, and so is who began it.
        c.execute(
            "UPDATE messages SET reply_count = reply_count + 1, updated_at = max(updated_at, ?) WHERE id = ?",
            (d.sent_at, d.parent_id),
        )
        c.execute("INSERT INTO subscriptions VALUES (?, ?) ON CONFLICT DO NOTHING", (d.sender, d.parent_id))

    async def message(self, message_id: int) -> MessageRow | None:
        """A message, or None."""
        row = self._one(MESSAGE, {"key": message_id})
        return MessageRow._make(row) if row else None

    async def message_of(self, sender: str, muid: str) -> MessageRow | None:
        """What a sender has sent under a muid, or None."""
        row = self._one(BY_MUID, {"who": sender, "key": muid})
        return MessageRow._make(row) if row else None

    async def messages_of(self, ids: Iterable[int]) -> dict[int, MessageRow]:
        """Messages by their ids, as far as they exist."""
        wanted = sorted(set(ids))
        found: dict[int, MessageRow] = {}
        for number in wanted:
            row = self._one(MESSAGE, {"key": number})
            if row:
                found[number] = MessageRow._make(row)
        return found

    async def mentioned(self, message_id: int) -> tuple[str, ...]:
        """The uids that a message mentions."""
        rows = await self._rows("SELECT uid FROM mentions WHERE message_id = ? ORDER BY uid", (message_id,))
        return tuple(row[0] for row in rows)

    async def messages(self, wanted: MessageFilter) -> list[ListedRow]:
        """Messages as a filter wants them."""
        if wanted.limit == 1 and wanted.reader and wanted.shape() == _NEWEST:
            # The newest of all that a reader may see, without a walk through the messages of others.
            ((latest,),) = await self._rows(LATEST_OF, {"reader": wanted.reader})
            newest = await self.message(latest)
            return [ListedRow(*[getattr(newest, name) for name in ListedRow._fields])] if newest is not None else []
        values = parameters(wanted)
        if wanted.search:
            await self._index_all()
            values["search"] = match(wanted.search, await self._places(wanted))
            if not values["search"]:
                return []
        sql = list_messages(wanted.shape())
        rows: list[Any]
        if wanted.limit <= MAX_IN_PLACE and wanted.is_common():  # a range of an index, nearly always
            rows = await self._rows(sql, values)
        else:
            rows = await self._read_long(lambda c: c.execute(sql, values).fetchall())
        return list(map(ListedRow._make, rows))

    async def _places(self, wanted: MessageFilter) -> list[ConversationKey]:
        # The conversations that are searched: the index finds them together with the words. With too many of them the
        # words alone are looked up, and what the reader may see is checked message by message.
        if wanted.conversation_id is not None:
            return [wanted.conversation_id]
        if not wanted.reader:
            return []
        rows = await self._rows(
            "SELECT conversation_id FROM participants WHERE uid = :reader UNION ALL"
            f" SELECT '{GROUP_KEY}' || guid FROM members WHERE uid = :reader LIMIT :most",
            {"reader": wanted.reader, "most": MAX_PLACES + 1},
        )
        return [row[0] for row in rows] if len(rows) <= MAX_PLACES else []

    async def edit_message(
        self, act: MessageAct, now: int, change: Callable[[MessageRow], Edited], told: Callable[[MessageRow], Draft]
    ) -> Stored:
        """Change a message's body, and store the action message that says so in the place of that of an earlier edit.

        Args:
            change: gives what the message becomes, from what it is.
            told: the action message, from the changed message.

        Raises:
            Refused: when the act may not be done.
        """

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
                self._use_files(c, "message", before.id, after.files)
            self._reindex(c, before.id, before.conversation_id, before.body, after.body)
            stored = self._told(c, before.id, told)
            _keep_last_edit(c, before.id, stored.message.id)
            return stored

        return await self._writer.submit(edit)

    async def delete_message(
        self, act: MessageAct, now: int, empty: Callable[[MessageRow], bytes], told: Callable[[MessageRow], Draft]
    ) -> Stored:
        """Mark a message as deleted, take its content away, and store the action message that says so.

        Args:
            empty: gives the body without its content.
            told: the action message, from the changed message.

        Raises:
            Refused: when the act may not be done.
        """

        def delete(c: sqlite3.Connection) -> Stored:
            before = may_change(c, act).message
            c.execute(
                "UPDATE messages SET body = ?, traits = 0, deleted_at = ?, deleted_by = ?, updated_at = ?,"
                " pinned_at = NULL, pinned_by = NULL WHERE id = ?",
                (empty(before), now, act.by, now, before.id),
            )
            self._reindex(c, before.id, before.conversation_id, before.body, None)
            for table in ("mentions", "reactions", "saves"):
                c.execute(f"DELETE FROM {table} WHERE message_id = ?", (before.id,))
            self._use_files(c, "message", before.id, ())
            forget_last_edit(c, before.id)  # it has what the message said
            return self._told(c, before.id, told)

        return await self._writer.submit(delete)

    def _told(self, c: sqlite3.Connection, message_id: int, action: Callable[[MessageRow], Draft]) -> Stored:
        return self._insert(c, action(MessageRow(*c.execute(MESSAGE, {"key": message_id}).fetchone())))

    async def add_events(self, events: list[Event]) -> None:
        """Queue what webhooks are told, where it belongs to no message."""
        if self.has_webhooks:
            await self._writer.submit(lambda c: self._enqueue_all(c, events, None))


def forget_last_edit(c: sqlite3.Connection, message_id: int) -> None:
    """Forget the action message that tells of a message's last edit, with all that hangs on it."""
    known = c.execute("SELECT action_id FROM edits WHERE message_id = ?", (message_id,)).fetchone()
    if known:
        c.execute("DELETE FROM edits WHERE message_id = ?", (message_id,))
        for table in OF_MESSAGES:
            c.execute(f"DELETE FROM {table} WHERE message_id = ?", known)
        c.execute("DELETE FROM messages WHERE id = ?", known)


def _keep_last_edit(c: sqlite3.Connection, message_id: int, action_id: int) -> None:
    # What an edit says is the message as it reads now: one action message for all edits of a message is enough.
    forget_last_edit(c, message_id)
    c.execute("INSERT INTO edits VALUES (?, ?)", (message_id, action_id))


def _mention(c: sqlite3.Connection, message_id: int, conversation_id: ConversationKey, uids: Iterable[str]) -> None:
    sql = "INSERT INTO mentions (message_id, uid, conversation_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    c.executemany(sql, [(message_id, uid, conversation_id) for uid in uids])
