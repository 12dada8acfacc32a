"""How far each conversation is complete: where history is read from when a message is missing (feature `chain`).

A message continues its conversation if its predecessor is not above what is complete. What is missing is above the
complete part of its conversation, so history is read from the lowest of these. If a page shows that a message of
another conversation may be missing below its beginning, it is read again from an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tailwire.sdk.continuity.state import CatchUp, Position

MAX_CONVERSATIONS = 1000
"""Conversations that are remembered. For others, history is read from the last settled id."""


def record(m: CatchUp, conversation: str, message_id: int, before: int | None, *, sent: bool = False) -> None:
    """Record a live message, or one that this device sent, after it was handed over or held.

    Args:
        before: the id of its predecessor, 0 for the first one; None if it is not known.
        sent: whether this device sent it.
    """
    known = m.newest.get(conversation, 0)
    if conversation and before is not None and before <= max(known, m.floor):
        _set(m, conversation, max(known, message_id))
    elif m.behind is not None:
        _lower(m, known)
        if not sent:
            m.places[message_id] = conversation


def record_complete(m: CatchUp) -> None:
    """Record that nothing is missing before the messages that were held."""
    for number, conversation in m.places.items():
        if conversation:
            _set(m, conversation, max(number, m.newest.get(conversation, 0)))
    m.places.clear()


def forget(m: CatchUp) -> None:
    """Record that no conversation is complete above the last settled id."""
    m.newest.clear()
    m.places.clear()
    m.started, m.begin = 0, None


def read_from(m: CatchUp) -> int:
    """Return the id after which history is read for the holes."""
    if m.begin is None or m.begin >= min(m.holes):
        return m.floor
    return max(m.floor, m.begin)


def began_too_late(m: CatchUp, messages: Sequence[tuple[int, Any]], conversations: Mapping[int, str]) -> bool:
    """Return whether history has to be read from an earlier message, because something below may be missing too.

    Args:
        messages: those of a page that was read for a hole.
        conversations: the conversation of each message.
    """
    if m.started <= m.floor:
        return False
    places = [(number, conversations.get(number, "")) for number, _ in messages]
    for _, conversation in places:
        known = m.newest.get(conversation, 0)
        if known < m.started:
            _lower(m, known)
    begin = m.started if m.begin is None else max(m.floor, m.begin)
    if begin < m.started:
        m.started = m.asked_after = begin
        return True
    for number, conversation in places:
        if m.started <= m.newest.get(conversation, 0) < number:
            m.newest[conversation] = number
    return False


def page_was_too_early(m: CatchUp) -> bool:
    """Return whether a live message names a predecessor that is newer than the page, and has not come yet."""
    come = {number for number, _ in m.behind or ()}
    place = m.position or Position()
    unknown = {b for b in m.named.values() if b > m.asked_after and b not in come and b not in m.recent}
    return not all(map(place.is_settled, unknown))


def _set(m: CatchUp, conversation: str, known: int) -> None:
    m.newest[conversation] = known
    if len(m.newest) > MAX_CONVERSATIONS:
        del m.newest[next(iter(m.newest))]


def _lower(m: CatchUp, known: int) -> None:
    m.begin = known if m.begin is None else min(m.begin, known)
