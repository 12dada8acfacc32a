"""Encodes a batch of writes as arguments of the SQL function `tailwire_batch_1`: one array for each column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tailwire.server.ports.records import Draft
from tailwire.server.store.postgres.unit import Unit
from tailwire.wire.bounds import parseable

ARGUMENT_COUNT = 29
_PLACES = ", ".join(f"${n}" for n in range(1, ARGUMENT_COUNT + 1))
CALL_BATCH_SQL = f"SELECT ids, befores, answers, first, last FROM tailwire_batch_1({_PLACES})"
ENTRY_BYTES = 500  # an estimate of everything except the bodies


@dataclass(frozen=True, slots=True)
class QueuedEvent:
    """An event that is queued for one webhook, whose id is `webhook`.

    Attributes:
        body: the encoded `data` of the webhook's envelope; None for `{"message": …}` with the stored message.
    """

    webhook: str
    trigger: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One write of a batch: a draft, a unit, or a unit with the draft of the message that announces it.

    Attributes:
        by_member: True to store the draft only if its sender is a member of the group.
        events: the draft's events for webhooks, which are queued only if it is stored.
        size: an estimate of its bytes in memory.
    """

    draft: Draft | None = None
    unit: Unit | None = None
    by_member: bool = False
    events: tuple[QueuedEvent, ...] = ()
    size: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        size = ENTRY_BYTES
        if self.draft is not None:
            size += len(self.draft.body) * (1 + sum(event.body is None for event in self.events))
        size += sum(len(event.body or b"") for event in self.events)
        if self.unit is not None:
            size += len(self.unit.encode(None))
        object.__setattr__(self, "size", size)


def end_of_message(draft: Draft) -> bytes:
    """Return the end of the JSON `{"message":{"id":"1…`: all that follows the id, for a webhook.

    The database adds the beginning with the id, which is not known before the message is stored.
    """
    return b'",' + parseable(draft.body)[1:-1] + b',"updatedAt":%d}}' % draft.sent_at


def encode(head: tuple[int, int, str, int], now: int, entries: Sequence[Entry]) -> list[Any]:
    """Return the arguments of `CALL_BATCH_SQL` for a batch.

    Args:
        head: the first four arguments: the id of this process, the number of the batch, the mark of the current start
            (see `starts`), and the highest id that this process has seen.
        now: seconds since 1970.
        entries: the writes, in the order in which their messages get ids.
    """
    drafts = [entry.draft for entry in entries if entry.draft is not None]
    position = 0
    by_member, units, changes = [], [], 0
    mentions: list[tuple[int, str]] = []
    files: list[tuple[int, str]] = []
    events: list[tuple[int, str, str, bytes]] = []
    for entry in entries:
        draft = entry.draft
        if draft is not None:
            position += 1
            by_member.append(entry.by_member)
            mentions += [(position, uid) for uid in draft.mentions]
            files += [(position, name) for name in draft.files]
            for event in entry.events:
                whole = event.body is not None
                body = event.body if event.body is not None else end_of_message(draft)
                events.append((-position if whole else position, event.webhook, event.trigger, body))
        if entry.unit is not None:
            units.append(entry.unit.encode(position if draft is not None else None))
            changes += len(entry.unit.changes)
    parents = [d.parent_id for d in drafts]
    quoted = [d.quoted_id for d in drafts]
    return [
        *head, now,
        [d.conversation_id for d in drafts], [d.sender for d in drafts], [d.receiver for d in drafts],
        [d.receiver_type for d in drafts], [d.category for d in drafts], [d.type for d in drafts],
        [d.muid for d in drafts], parents if any(parents) else None, quoted if any(quoted) else None,
        [d.sent_at for d in drafts], [d.body for d in drafts], [d.traits for d in drafts],
        [d.shown for d in drafts], by_member,
        *_columns(mentions, 2), *_columns(files, 2), *_columns(events, 4),
        (b"[" + b",".join(units) + b"]").decode() if units else None, changes,
    ]  # fmt: skip


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> list[list[Any] | None]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [None] * count
