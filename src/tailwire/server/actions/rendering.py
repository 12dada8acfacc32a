"""Renders messages for one reader: adds reactions, quoted messages, and what the reader has saved or follows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import attrgetter, or_
from typing import Any, TypeVar

import msgspec

from tailwire.server.actions.raw_json import decode_object, encode, with_field
from tailwire.server.ports.conversations import id_of
from tailwire.server.ports.records import ListedRow, MessageRow, Trait
from tailwire.server.ports.store import Store
from tailwire.server.telemetry.logs import log

_traits, _quoted_id = attrgetter("traits"), attrgetter("quoted_id")
_DECORATED = int(Trait.REACTION | Trait.INTERACTED)

Rows = Sequence[MessageRow | ListedRow]
AnyRow = TypeVar("AnyRow", MessageRow, ListedRow)


class Renderer:
    """Renders messages as JSON. Most messages are returned as they are stored, without further queries for each."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def render(self, row: MessageRow, reader: str, *, following: bool = False) -> bytes:
        """Return a message as a reader sees it, encoded; see `render_all` for the arguments."""
        return (await self.render_all([row], reader, following=following))[0]

    async def render_all(self, rows: Rows, reader: str, *, following: bool = False) -> list[bytes]:
        """Return messages as a reader sees them, encoded, in the same order.

        Args:
            rows: the messages.
            reader: the uid of the reader; "" to add nothing that concerns a particular reader.
            following: add the field `threadSubscribed` to each message: whether the reader follows its thread.
        """
        if not rows:
            return []
        rendered = [row.json() for row in rows]
        if reader:
            await self._add_own(rows, rendered, reader, following=following)
        if reduce(or_, map(_traits, rows)) & _DECORATED:
            await self._decorate(rows, rendered, reader)
        quoted = [number for number in map(_quoted_id, rows) if number is not None]
        if quoted:
            found = await self._store.messages.by_ids(quoted)
            for n, row in enumerate(rows):
                if row.quoted_id in found:
                    rendered[n] = with_quoted(rendered[n], found[row.quoted_id])
        return rendered

    async def _add_own(self, rows: Rows, rendered: list[bytes], reader: str, *, following: bool) -> None:
        # Adds what only the reader sees: their saves and followed threads.
        ids = [row.id for row in rows]
        first, last = min(ids), max(ids)
        saved = await self._store.annotations.saved_at(first, last, reader)
        for n, row in enumerate(rows) if saved else ():
            if row.id in saved:
                rendered[n] = with_field(rendered[n], b"savedAt", b"%d" % saved[row.id])
        if following:
            followed = await self._store.annotations.followed_between(first, last, reader)
            for n, row in enumerate(rows):
                rendered[n] = with_field(rendered[n], b"threadSubscribed", b"true" if row.id in followed else b"false")

    async def _decorate(self, rows: Rows, rendered: list[bytes], reader: str) -> None:
        decorated = [row.id for row in rows if row.traits & _DECORATED]
        counts = await self._store.reactions.counts(decorated, reader)
        used = await self._store.annotations.interactions(decorated, reader) if reader else {}
        for n, row in enumerate(rows):
            more: dict[str, Any] = {}
            if row.id in counts:
                more["reactions"] = [
                    {"reaction": reaction, "count": count, **({"reactedByMe": True} if mine else {})}
                    for reaction, count, mine in counts[row.id]
                ]
            if row.id in used:
                more["interactions"] = [{"elementId": e, "interactedAt": at} for e, at in used[row.id]]
            if more:
                rendered[n] = _with_more(row, rendered[n], more)


def _with_more(row: MessageRow | ListedRow, rendered: bytes, more: dict[str, Any]) -> bytes:
    # A message that cannot be decoded is shown without its reactions, so that the rest of its list is still shown.
    try:
        fields = decode_object(rendered)
        fields["data"] = msgspec.Raw(encode({**decode_object(fields["data"]), **more}))
    except (msgspec.DecodeError, RecursionError, KeyError) as e:
        log.error("message %d cannot be decoded and is shown without its reactions: %s", row.id, e)
        return rendered
    return encode(fields)


def with_quoted(rendered: bytes, quoted: MessageRow) -> bytes:
    """Return an encoded message with the field `quotedMessage`: the current version of the message that it quotes."""
    return with_field(rendered, b"quotedMessage", quoted.json())


def envelope_of(row: MessageRow) -> bytes:
    """Return a message, encoded, without content and whatever was added: for a user who may no longer read it."""
    return encode(
        {
            "id": str(row.id),
            "conversationId": id_of(row.conversation_id),
            "sender": row.sender,
            "receiver": row.receiver,
            "receiverType": row.receiver_type,
            "category": row.category,
            "type": row.type,
            "data": {},
            "sentAt": row.sent_at,
            "updatedAt": row.sent_at,
        }
    )


def without_later(row: AnyRow) -> AnyRow:
    """Return a message without its pin, receipts and number of replies.

    They may be newer than what the reader, such as a former member of a group, may see.
    """
    then = row.edited_at or row.deleted_at or row.sent_at
    return row._replace(updated_at=then, delivered_at=None, read_at=None, pinned_at=None, pinned_by=None, reply_count=0)
