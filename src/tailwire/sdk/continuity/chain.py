"""Notices that a message is missing, by the one that follows it (feature `chain`).

Rules: each live message says which one came before it in its conversation, and so does the answer to one that this
device sends. One whose predecessor is not known is held, and what comes after it too; if the missing one does not come
by itself within `PATIENCE`, history is read for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tailwire.sdk.continuity.catch_up import Command, hand_over, live, next_page
from tailwire.sdk.continuity.state import CatchUp

PATIENCE = 0.5


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for so many seconds, then say so with `waited`."""

    seconds: float


def broken(m: CatchUp, before: int) -> bool:
    """Whether a message has to be held: the one before it has not come, and no history is being read that brings it."""
    if m.position is None or not m.enabled or (m.behind is not None and not m.holes):
        return False
    return not _known(m, before)


def hold(m: CatchUp, before: int, message_id: int, message: Any) -> list[Command | Wait]:
    """Hold a message until the one before it is there."""
    begun = _begin(m, before)
    live(m, message_id, message, before=before)
    return begun or list(mended(m))


def missing(m: CatchUp, before: int) -> list[Command | Wait]:
    """The message before one that this device has sent has not come."""
    return _begin(m, before) or list(mended(m))


def _begin(m: CatchUp, before: int) -> list[Command | Wait]:
    begun = m.behind is None
    if begun:
        m.behind, m.caught, m.free, m.overflowed = [], 0, 0, False
    m.holes.add(before)
    return [Wait(PATIENCE)] if begun else []


def mended(m: CatchUp) -> list[Command]:
    """Hand over what was held, if nothing is missing any more."""
    if not m.holes or m.behind is None or m.overflowed:
        return []
    held = {number for number, _ in m.behind}
    m.holes = {number for number in m.holes if number not in held and not _known(m, number)}
    if m.holes:
        return []
    pairs = sorted((pair for pair in m.behind if pair[0] > m.floor and pair[0] not in m.recent), key=lambda p: p[0])
    m.behind, m.named = None, {}
    return hand_over(m, pairs)


def waited(m: CatchUp) -> list[Command]:
    """The missing message did not come by itself: read history from the last point that is settled."""
    if not m.holes or m.behind is None:
        return []
    m.holes, m.quiet, m.asked_after = set(), True, m.floor
    return [next_page(m)]


def _known(m: CatchUp, message_id: int) -> bool:
    position = m.position
    return message_id <= m.floor or message_id in m.recent or (position is not None and position.is_settled(message_id))
