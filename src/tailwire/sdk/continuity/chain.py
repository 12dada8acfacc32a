"""Detect a missing message by its successor (feature `chain`).

Each live message names its predecessor in the conversation, and so does the response to a message that this device
sends. A message whose predecessor has not arrived is held, that is, not handed over yet, as are all that follow it; if
the missing one does not arrive within `HOLE_TIMEOUT_SECONDS`, it is fetched from history.

The functions change the state `m`, and return the commands that the caller has to carry out, in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tailwire.sdk.continuity.catch_up import hand_over, next_page, on_live_message
from tailwire.sdk.continuity.changes import take_held, unknown_changes
from tailwire.sdk.continuity.commands import Command
from tailwire.sdk.continuity.state import CatchUp

HOLE_TIMEOUT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Wait:
    """A command: call `on_wait_over` after `seconds`, and carry out the commands that it returns."""

    seconds: float


def is_broken(m: CatchUp, predecessor_id: int) -> bool:
    """Return whether a message must be held, because its predecessor is missing and no catch-up is fetching that."""
    if m.position is None or not m.enabled or (m.behind is not None and not m.holes):
        return False
    return not _is_known(m, predecessor_id)


def hold(m: CatchUp, predecessor_id: int, message_id: int, message: Any) -> list[Command | Wait]:
    """Hold a message until its predecessor has arrived. Call it if `is_broken`."""
    begun = _begin(m, predecessor_id)
    on_live_message(m, message_id, message, predecessor_id=predecessor_id)
    return begun or list(release_if_mended(m))


def on_missing(m: CatchUp, predecessor_id: int) -> list[Command | Wait]:
    """Record that the predecessor of a message that this device sent is missing, so that later messages are held."""
    return _begin(m, predecessor_id) or list(release_if_mended(m))


def _begin(m: CatchUp, predecessor_id: int) -> list[Command | Wait]:
    begun = m.behind is None
    if begun:
        m.behind, m.counted, m.overflowed = [], 0, False
    m.holes.add(predecessor_id)
    return [Wait(HOLE_TIMEOUT_SECONDS)] if begun else []


def release_if_mended(m: CatchUp) -> list[Command]:
    """Hand over the messages held for a missing one, if none is missing now; else return no commands."""
    if not m.holes or m.behind is None or m.overflowed:
        return []
    held = {number for number, _ in m.behind}
    m.holes = {number for number in m.holes if number not in held and not _is_known(m, number)}
    if m.holes:
        return []
    held_once = dict(m.behind)  # a message may have come twice while it was held
    pairs = [(n, held_once[n]) for n in sorted(held_once) if n > m.floor and n not in m.recent]
    changed = unknown_changes(m, take_held(m))
    m.behind, m.named = None, {}
    return hand_over(m, pairs, changed)


def on_wait_over(m: CatchUp) -> list[Command]:
    """Begin to read history, because a missing message did not arrive in time. Does nothing if it has arrived."""
    if not m.holes or m.behind is None:
        return []
    m.holes, m.quiet, m.in_full, m.asked_after = set(), True, True, m.floor
    return [next_page(m)]


def _is_known(m: CatchUp, message_id: int) -> bool:
    position = m.position
    return message_id <= m.floor or message_id in m.recent or (position is not None and position.is_settled(message_id))
