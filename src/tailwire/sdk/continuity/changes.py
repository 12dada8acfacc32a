"""Events that are not messages, with numbers from the server's change log: each is handed over once, in order (K2).

A position has the number up to which all are settled, and the higher numbers that were already handed over: numbers
may arrive out of order, because the server delays some events. A page of history has the events that happened before
its end. Live events are held while live messages are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tailwire.sdk.continuity.commands import HandOver
from tailwire.sdk.continuity.state import CatchUp, Position

MANY_UNSETTLED_CHANGES = 200
"""Numbers above the settled one after which history is read, so that they are settled."""
MAX_UNSETTLED_CHANGES = 1000
"""Numbers above the settled one that a position remembers. Changes beyond them may be handed over again."""
MAX_HELD_CHANGES = 1000
# Places of held changes: before any message was held, and after all messages.
_NONE_HELD, _END = -1, 2**63


class Change(NamedTuple):
    """An event that is handed over between messages."""

    number: int
    event: Any


class Listed(NamedTuple):
    """The part of a page of history that concerns changes.

    Attributes:
        known: the number up to which all changes are settled once the page is handed over.
        changes: number, the id of the message after which it happened, and event of each, in order.
        more: whether there is more, even if the page is not full of messages.
        lost: a message id: changes that happened up to it may be missing; 0 for none.
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
    """Hold a live change while messages are held. Return whether it is held."""
    if m.behind is None:
        return False
    if len(m.changed) >= MAX_HELD_CHANGES:
        m.changed.clear()
        m.overflowed = True  # one more page will contain it
    newest = max((held for held, _ in m.behind), default=_NONE_HELD)
    m.changed.append((number, newest, event))
    return True


def take_held(m: CatchUp) -> list[tuple[int, int, Any]]:
    """Return the held changes, each with the id of the message that it follows. Call it while the messages are held.

    A change that came before the first held message follows all messages that were missed: it may be a change of one.
    """
    first = min((held for held, _ in m.behind or ()), default=_END)
    taken = [(number, first - 1 if newest == _NONE_HELD else newest, event) for number, newest, event in m.changed]
    m.changed.clear()
    return taken


def record(m: CatchUp, number: int) -> None:
    """Record that a change is handed over."""
    p = m.position
    if p is None or p.changes is None:
        return  # the number will be settled by the next page
    if len(p.heard) < MAX_UNSETTLED_CHANGES:
        m.position = p._replace(heard=(*p.heard, number))


def on_settled(m: CatchUp, number: int) -> None:
    """Record that the server has sent all changes up to a number over this socket, or before it was opened.

    During a catch-up that is not enough: what happened before the socket was opened may still be missing.
    """
    p = m.position
    if m.behind is None and p is not None and p.changes is not None and number > p.changes:
        m.position = p._replace(changes=number, heard=tuple(n for n in p.heard if n > number))


def has_many_unsettled(m: CatchUp) -> bool:
    """Return whether history has to be read: each time that the count of unsettled numbers reaches a multiple of 200.

    A server that sends no settled numbers leaves it open whether a missing one will still come.
    """
    return m.position is not None and bool(m.position.heard) and len(m.position.heard) % MANY_UNSETTLED_CHANGES == 0


def settle(m: CatchUp, listed: Listed) -> None:
    """Record that the changes of a page are handed over: all up to `listed.known` are settled."""
    p = m.position or Position()
    m.position = p._replace(changes=listed.known, heard=tuple(n for n in p.heard if n > listed.known))


def unknown_changes(m: CatchUp, changes: Iterable[tuple[int, int, Any]]) -> list[tuple[int, int, Any]]:
    """Return those changes that are not known yet, each once."""
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
    """Return each item that is handed over, with the position that the app has then reached.

    After a message, that is the position just before the next message that the app has not received.

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
