"""How far the app has been served: where the next start goes on.

Usually an event counts as served when it has been handed over. A stream that acknowledges holds its events back until
the app has done them: then the place is the one before the oldest event that is held, and what lies behind it and is
not held is kept as ranges of ids. There are no more of these than events that are held.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from tailwire.sdk.continuity.state import Position, of_another_store
from tailwire.sdk.listeners.events import HistoryGap

MAX_AHEAD = 2000
"""Ids of messages sent from here, beyond all that was handed over."""


@dataclass(slots=True)
class _Open:
    event: object  # kept, so that its id stays its own
    number: int
    holds: int
    before: Position | None  # the place when it was opened


class Served:
    """The place of one client, and the events that are handed over and not done.

    An event is held as often as somebody has to do it; the client itself holds it while it is being handed over.
    """

    def __init__(self) -> None:
        self._reached: Position | None = None  # the place once all that is open is done
        self._open: OrderedDict[int, _Open] = OrderedDict()  # in the order of the hand-over
        self._keys: dict[int, int] = {}  # of an event's id
        self._next = 0
        self._ahead: OrderedDict[int, None] = OrderedDict()

    @property
    def position(self) -> Position | None:
        """The place: everything up to it has been served."""
        reached = self._reached
        if not self._open:
            return reached
        place = next(iter(self._open.values())).before
        if place is None or reached is None:
            return place
        numbers = sorted(entry.number for entry in self._open.values())
        last_id = min(place.last_id, numbers[0] - 1)
        own = {*place.own, *self._ahead}
        if of_another_store(place, reached):
            return place._replace(last_id=last_id, own=_newest(own, last_id))
        top = reached.last_id
        done = [(n, until - 1) for n, until in zip(numbers, [*numbers[1:], top + 1], strict=True) if n < until - 1]
        done += [(max(after, top), to) for after, to in reached.done if to > top]
        return place._replace(last_id=last_id, own=_newest({*own, *reached.own}, top), done=tuple(done))

    def begin(self, position: Position | None, *, same: bool = False) -> None:
        """A session begins at a position, or ends with None.

        Args:
            same: it goes on as the same user's: what is not done stays so.
        """
        if not same:
            self._open.clear()
            self._keys.clear()
            self._ahead.clear()
        if not self._open:
            self._reached = position

    def open(self, event: object, until: Position | None) -> None:
        """Begin to hand an event over, and hold it.

        Args:
            until: the place behind it.
        """
        number = _number(event) or (until.last_id if until is not None else 0)
        self._next += 1
        self._keys[id(event)] = self._next
        self._open[self._next] = _Open(event, number, 1, self._reached)
        reached = self._reached
        if until is not None and (
            reached is None or until.last_id >= reached.last_id or of_another_store(until, reached)
        ):
            self._reached = until

    def hold(self, event: object) -> bool:
        """Hold an event that is being handed over once more; answers whether it has a place."""
        entry = self._open.get(self._keys.get(id(event), 0))
        if entry is not None:
            entry.holds += 1
        return entry is not None

    def let_go(self, event: object) -> bool:
        """Hold an event once less; answers whether the place moved."""
        key = self._keys.get(id(event), 0)
        entry = self._open.get(key)
        if entry is None:
            return False
        entry.holds -= 1
        if entry.holds:
            return False
        del self._open[key], self._keys[id(event)]
        if not self._open:
            self._ahead.clear()
        return True

    def keep_as(self, event: object, name: object) -> None:
        """Hold an event under another object from now on, and forget the event itself."""
        key = self._keys.pop(id(event), 0)
        if key:
            self._keys[id(name)] = key
            self._open[key].event = name

    def ahead(self, message_id: int) -> None:
        """Note a message that was sent from here, while older ones are not done."""
        if self._open:
            self._ahead[message_id] = None
            if len(self._ahead) > MAX_AHEAD:
                self._ahead.popitem(last=False)

    def all_handed_over(self, position: Position | None) -> None:
        """Nothing waits to be handed over: the place is this one, once all is done."""
        if position is not None:
            self._reached = position


def _newest(own: set[int], above: int) -> tuple[int, ...]:
    return tuple(sorted(n for n in own if n > above)[-MAX_AHEAD:])


def _number(event: object) -> int:
    # The id that history knows an event by: of the action, where it tells of another message.
    if isinstance(event, HistoryGap):  # in the place of a message that cannot be read
        return event.to_id
    message = getattr(event, "action", None) or getattr(event, "message", None)
    return int(getattr(message, "id", 0))
