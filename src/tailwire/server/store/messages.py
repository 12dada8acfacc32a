"""Messages: each stored once, in the order of their ids, with what its arrival changes elsewhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import Draft, Event, ListedRow, MessageRow, Stored, Trait
from tailwire.server.store.listing import LATEST_OF, list_messages, match, parameters
from tailwire.server.store.search import Search
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

MOST_PLACES = 200
_NEWEST = MessageFilter("anybody").shape()


class Messages(Search, Webhooks):
    """Messages. Ids rise in the order of the commits (see `writer`)."""

    async def add_message(self, draft: Draft) -> Stored:
        """Store a message once: a muid that its sender has used before gives the message of then."""
        stored = await self._writer.submit(lambda c: self._insert(c, draft))
        if draft.traits & Trait.SEARCHABLE:
            self._index_soon()
        return stored

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
            _mention(c, message_id, d.mentions)
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
        rows = self._all("SELECT uid FROM mentions WHERE message_id = ? ORDER BY uid", (message_id,))
        return tuple(row[0] for row in rows)

    async def messages(self, wanted: MessageFilter) -> list[ListedRow]:
        """Messages as a filter wants them."""
        if wanted.limit == 1 and wanted.reader and wanted.shape() == _NEWEST:
            # The newest of all that a reader may see, without a walk through the messages of others.
            (latest,) = self._one(LATEST_OF, {"reader": wanted.reader})
            newest = await self.message(latest)
            return [ListedRow(*[getattr(newest, name) for name in ListedRow._fields])] if newest is not None else []
        values = parameters(wanted)
        if wanted.search:
            await self._index_all()
            values["search"] = match(wanted.search, self._places(wanted))
            if not values["search"]:
                return []
        return list(map(ListedRow._make, self._all(list_messages(wanted.shape()), values)))

    def _places(self, wanted: MessageFilter) -> list[str]:
        # The conversations that are searched: the index finds them together with the words. With too many of them the
        # words alone are looked up, and what the reader may see is checked message by message.
        if wanted.conversation_id is not None:
            return [wanted.conversation_id]
        if not wanted.reader:
            return []
        rows = self._all(
            "SELECT conversation_id FROM participants WHERE uid = :reader UNION ALL"
            " SELECT 'group_' || guid FROM members WHERE uid = :reader LIMIT :most",
            {"reader": wanted.reader, "most": MOST_PLACES + 1},
        )
        return [row[0] for row in rows] if len(rows) <= MOST_PLACES else []

    async def edit_message(
        self, before: MessageRow, body: bytes, editor: str, now: int, action: Callable[[MessageRow], Draft],
        *, traits: int, mentions: tuple[str, ...] = (), files: tuple[str, ...] = (),
    ) -> Stored | None:  # fmt: skip
        """Change a message's body and store the action message that says so. None when it was deleted meanwhile."""

        def edit(c: sqlite3.Connection) -> Stored | None:
            known = c.execute("SELECT body FROM messages WHERE id = ?", (before.id,)).fetchone()
            changed = c.execute(
                "UPDATE messages SET body = ?, traits = ? | (traits & ?), edited_at = ?, edited_by = ?, updated_at = ?"
                " WHERE id = ? AND deleted_at IS NULL",
                (body, traits, Trait.REACTION | Trait.INTERACTED, now, editor, now, before.id),
            )
            if not changed.rowcount:
                return None
            c.execute("DELETE FROM mentions WHERE message_id = ?", (before.id,))
            _mention(c, before.id, mentions)
            self._use_files(c, "message", before.id, files)
            self._reindex(c, before.id, before.conversation_id, known[0], body)
            return self._told(c, before.id, action)

        return await self._freeing(edit)

    async def delete_message(
        self, before: MessageRow, body: bytes, deleter: str, now: int, action: Callable[[MessageRow], Draft]
    ) -> Stored | None:
        """Mark a message as deleted, take its content away, and store the action message. None when it was already."""

        def delete(c: sqlite3.Connection) -> Stored | None:
            known = c.execute("SELECT body FROM messages WHERE id = ?", (before.id,)).fetchone()
            changed = c.execute(
                "UPDATE messages SET body = ?, traits = 0, deleted_at = ?, deleted_by = ?, updated_at = ?,"
                " pinned_at = NULL, pinned_by = NULL WHERE id = ? AND deleted_at IS NULL",
                (body, now, deleter, now, before.id),
            )
            if not changed.rowcount:
                return None
            self._reindex(c, before.id, before.conversation_id, known[0], None)
            for table in ("mentions", "reactions", "saves"):
                c.execute(f"DELETE FROM {table} WHERE message_id = ?", (before.id,))
            self._use_files(c, "message", before.id, ())
            return self._told(c, before.id, action)

        return await self._freeing(delete)

    def _told(self, c: sqlite3.Connection, message_id: int, action: Callable[[MessageRow], Draft]) -> Stored:
        return self._insert(c, action(MessageRow(*c.execute(MESSAGE, {"key": message_id}).fetchone())))

    async def add_events(self, events: list[Event]) -> None:
        """Queue what webhooks are told, where it belongs to no message."""
        if self.has_webhooks:
            await self._writer.submit(lambda c: self._enqueue_all(c, events, None))


def _mention(c: sqlite3.Connection, message_id: int, uids: Iterable[str]) -> None:
    c.executemany("INSERT INTO mentions VALUES (?, ?) ON CONFLICT DO NOTHING", [(message_id, uid) for uid in uids])
