"""Hand over changes, the events that are not messages, once and in order (K2).

Each change has a number in the server's change log. A change is settled when it has been handed over, or happened
before the login. Numbers may arrive out of order, because the server delays some events; so a position has the number
up to which all changes are settled, and the higher numbers that were already handed over. A page of history contains
the changes that happened before its last message. Live changes are held while live messages are held.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tailwire.sdk.continuity.commands import HandOver
from tailwire.sdk.continuity.state import CatchUp, Position

MANY_UNSETTLED_CHANGES = 200
"""History is read when a position remembers this many numbers above the settled one, and settles them."""
MAX_UNSETTLED_CHANGES = 1000
"""The maximum of numbers above the settled one in a position. Changes beyond them may be handed over again."""
MAX_HELD_CHANGES = 1000
# Used in place of a message id for a held change: before any message was held, and after all messages.
_NONE_HELD, _END = -1, 2**63


class Change(NamedTuple):
    """An event that is handed over between messages, with its number in the change log."""

    number: int
    event: Any


class Listed(NamedTuple):
    """The part of a page of history that concerns changes.

    Attributes:
        known: the number up to which all changes are settled once the page is handed over.
        changes: for each change its number, the id of the message after which it happened, and its event, in the order
            of the numbers.
        more: whether another page follows, even if this one is not full of messages.
        lost: the server no longer has all changes that happened up to the message with this id; 0 if none are lost.
        gap: the messages with ids in (from, to] were left out, because more was missed than the limit.
    """

    known: int
    changes: Sequence[tuple[int, int, Any]] = ()
    more: bool = False
    lost: int = 0
    gap: tuple[int, int] | None = None


def is_known(m: CatchUp, number: int) -> bool:
    """Return whether a change was handed over, or happened before the login."""
    p = m.position
    return p is not None and p.changes is not None and (number <= p.changes or number in p.heard)


def hold_if_busy(m: CatchUp, number: int, event: Any) -> bool:
    """Hold a live change if live messages are being held. Return False if it may be handed over at once."""
    if m.behind is None:
        return False
    if len(m.changed) >= MAX_HELD_CHANGES:
        m.changed.clear()
        m.overflowed = True  # one more page will contain it
    newest = max((held for held, _ in m.behind), default=_NONE_HELD)
    m.changed.append((number, newest, event))
    return True


def take_held(m: CatchUp) -> list[tuple[int, int, Any]]:
    """Remove and return the held changes: number, id of the message that it follows, and event of each.

    Call it before the held messages are removed. A change that arrived before the first held message comes after all
    messages that were missed, because it may concern one of them.
    """
    first = min((held for held, _ in m.behind or ()), default=_END)
    taken = [(number, first - 1 if newest == _NONE_HELD else newest, event) for number, newest, event in m.changed]
    m.changed.clear()
    return taken


def record(m: CatchUp, number: int) -> None:
    """Record that a change is handed over, unless the position already has `MAX_UNSETTLED_CHANGES` such numbers."""
    p = m.position
    if p is None or p.changes is None:
        return  # the number will be settled by the next page
    if len(p.heard) < MAX_UNSETTLED_CHANGES:
        m.position = p._replace(heard=(*p.heard, number))


def on_settled(m: CatchUp, number: int) -> None:
    """Record that all changes up to a number are settled, because the server reported that it has sent them.

    Does nothing during a catch-up: changes from before the socket was opened may still be missing.
    """
    p = m.position
    if m.behind is None and p is not None and p.changes is not None and number > p.changes:
        m.position = p._replace(changes=number, heard=tuple(n for n in p.heard if n > number))


def has_many_unsettled(m: CatchUp) -> bool:
    """Return whether history has to be read now, to settle the numbers of changes that were handed over.

    This is needed with a server that does not report which numbers are settled: whether a skipped number will still
    arrive is then unknown. True each time that their count reaches a multiple of `MANY_UNSETTLED_CHANGES`.
    """
    return m.position is not None and bool(m.position.heard) and len(m.position.heard) % MANY_UNSETTLED_CHANGES == 0


def settle(m: CatchUp, listed: Listed) -> None:
    """Record that the changes of a page are handed over: all up to `listed.known` are settled."""
    p = m.position or Position()
    m.position = p._replace(changes=listed.known, heard=tuple(n for n in p.heard if n > listed.known))


def unknown_changes(m: CatchUp, changes: Iterable[tuple[int, int, Any]]) -> list[tuple[int, int, Any]]:
    """Return the changes that are still to be handed over, each once, in the given order."""
    found: dict[int, tuple[int, int, Any]] = {}
    for change in changes:
        if not is_known(m, change[0]):
            found.setdefault(change[0], change)
    return list(found.values())


def in_order(messages: Sequence[tuple[int, Any]], changes: Sequence[tuple[int, int, Any]]) -> tuple[Any, ...]:
    """Return messages and changes in the order in which they happened: a change follows the message that it names."""
    if not changes:
        return tuple(message for _, message in messages)
    keyed = [((number, 0), message) for number, message in messages]
    keyed += [((after, number), Change(number, event)) for number, after, event in changes]
    return tuple(item for _, item in sorted(keyed, key=lambda pair: pair[0]))


def positions_after_each(command: HandOver, after: Position) -> list[tuple[Any, Position]]:
    """Return each item of a `HandOver` command, with the position once the app has received the item.

    Ids are not consecutive for one user, so the position after a message extends to just before the next message in the
    command.

    Args:
        after: the position after the last item.
    """
    items, before = command.messages, command.before or after
    left = sum(isinstance(item, Change) for item in items)
    floor, heard = (before.changes, before.heard) if left else (after.changes, after.heard)
    ends, end = [], after.last_id
    for item in reversed(items):
        ends.append(end)
        if not isinstance(item, Change):
            end = item.id - 1
    found = []
    for item, last_id in zip(items, reversed(ends), strict=True):
        if isinstance(item, Change):
            left -= 1
            if floor is not None and item.number <= (after.changes or 0):
                floor = max(floor, item.number)
            else:
                heard = (*heard, item.number)
            if not left:
                floor, heard = after.changes, after.heard
        place = after
        if last_id < after.last_id:
            own = tuple(n for n in command.own if n > last_id)
            done = tuple(r for r in command.done if r[1] > last_id)
            place = after._replace(last_id=last_id, own=(*own, *after.own), done=done)
        found.append((item, place if not left else place._replace(changes=floor, heard=heard)))
    return found
