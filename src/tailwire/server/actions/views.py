"""Messages as one reader sees them: reactions, what they saved, quoted messages. Most messages have none of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tailwire.server.actions.present import encode
from tailwire.server.ports.records import ListedRow, MessageRow, Trait
from tailwire.server.ports.store import Store
from tailwire.server.telemetry.logs import log

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_SPECIAL = int(Trait.REACTION | Trait.INTERACTED)

Rows = Sequence[MessageRow | ListedRow]


class Views:
    """Presents messages."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def one(self, row: MessageRow, reader: str, *, following: bool = False) -> bytes:
        """A message as a reader sees it."""
        return (await self.many([row], reader, following=following))[0]

    async def many(self, rows: Rows, reader: str, *, following: bool = False) -> list[bytes]:
        """Messages as a reader sees them.

        Args:
            reader: a uid, or "" for nobody in particular.
            following: say of each whether the reader follows its thread.
        """
        if not rows:
            return []
        shown = [row.json() for row in rows]
        if reader:
            await self._own(rows, shown, reader, following=following)
        if any(row.traits & _SPECIAL for row in rows):
            await self._decorate(rows, shown, reader)
        quoted = [row.quoted_id for row in rows if row.quoted_id is not None]
        if quoted:
            found = await self._store.messages.by_ids(quoted)
            for n, row in enumerate(rows):
                if row.quoted_id in found:
                    shown[n] = with_quoted(shown[n], found[row.quoted_id])
        return shown

    async def _own(self, rows: Rows, shown: list[bytes], reader: str, *, following: bool) -> None:
        # What the reader alone sees: what they saved, which threads they follow.
        ids = [row.id for row in rows]
        first, last = min(ids), max(ids)
        saved = await self._store.annotations.saved_at(first, last, reader)
        for n, row in enumerate(rows) if saved else ():
            if row.id in saved:
                shown[n] = b'%b,"savedAt":%d}' % (shown[n][:-1], saved[row.id])
        if following:
            followed = await self._store.annotations.subscribed(first, last, reader)
            for n, row in enumerate(rows):
                shown[n] = b'%b,"threadSubscribed":%b}' % (shown[n][:-1], b"true" if row.id in followed else b"false")

    async def _decorate(self, rows: Rows, shown: list[bytes], reader: str) -> None:
        special = [row.id for row in rows if row.traits & _SPECIAL]
        counts = await self._store.reactions.counts(special, reader)
        used = await self._store.annotations.interactions(special, reader) if reader else {}
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
                shown[n] = _with_more(row, shown[n], more)


def _with_more(row: MessageRow | ListedRow, shown: bytes, more: dict[str, Any]) -> bytes:
    # A message that cannot be read is shown without it: the others of its list are shown in any case.
    try:
        fields = _decode_object(shown)
        fields["data"] = msgspec.Raw(encode({**_decode_object(fields["data"]), **more}))
    except (msgspec.DecodeError, RecursionError, KeyError) as e:
        log.error("message %d cannot be read, its reactions are not shown: %s", row.id, e)
        return shown
    return encode(fields)


def with_quoted(shown: bytes, quoted: MessageRow) -> bytes:
    """A message with the one that it quotes, as that reads now."""
    return b'%b,"quotedMessage":%b}' % (shown[:-1], quoted.json())
