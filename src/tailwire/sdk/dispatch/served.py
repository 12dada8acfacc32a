"""How far the app has been served: where the next start goes on.

Usually an event counts as served when it has been handed over. A stream that acknowledges holds its events back until
the app has done them: then the place is the one before the oldest event that is held.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from tailwire.sdk.continuity.state import Position, of_another_store

MOST_AHEAD = 2000
"""Ids beyond the place that need not be handed over again: what was done before an older event, or sent meanwhile."""


@dataclass(slots=True)
class _Open:
    event: object  # kept, so that its id stays its own
    holds: int
    until: Position | None  # the place once this event and all before it are done


class Served:
    """The place of one client, and the events that are handed over and not done.

    An event is held as often as somebody has to do it; the client itself holds it while it is being handed over.
    """

    def __init__(self) -> None:
        self._place: Position | None = None
        self._open: OrderedDict[int, _Open] = OrderedDict()
        self._ahead: OrderedDict[int, None] = OrderedDict()

    @property
    def position(self) -> Position | None:
        """The place: everything up to it has been served."""
        place = self._place
        if place is None or not self._ahead:
            return place
        for number in [n for n in self._ahead if n <= place.last_id]:
            del self._ahead[number]
        return place._replace(own=tuple(sorted({*place.own, *self._ahead})[-MOST_AHEAD:]))

    def begin(self, position: Position | None, *, same: bool = False) -> None:
        """A session begins at a position, or ends with None.

        Args:
            same: it goes on as the same user's: what is not done stays so.
        """
        if not same:
            self._open.clear()
            self._ahead.clear()
        if not self._open:
            self._place = position

    def open(self, event: object, until: Position | None) -> None:
        """Begin to hand an event over, and hold it.

        Args:
            until: the place behind it.
        """
        self._open[id(event)] = _Open(event, 1, until)

    def hold(self, event: object) -> bool:
        """Hold an event that is being handed over once more; answers whether it has a place."""
        entry = self._open.get(id(event))
        if entry is not None:
            entry.holds += 1
        return entry is not None

    def let_go(self, event: object) -> bool:
        """Hold an event once less; answers whether the place moved."""
        entry = self._open.get(id(event))
        if entry is None:
            return False
        entry.holds -= 1
        if entry.holds:
            return False
        first = next(iter(self._open)) == id(event)
        if first:
            del self._open[id(event)]
            self._move(entry.until)
            return True
        before = self._before(id(event))
        del self._open[id(event)]
        before.until = entry.until
        number = _number(event)
        if number:
            self.ahead(number)
        return bool(number)

    def ahead(self, message_id: int) -> None:
        """Note a message that need not be handed over, though an older one is not done."""
        if self._open:
            self._ahead[message_id] = None
            if len(self._ahead) > MOST_AHEAD:
                self._ahead.popitem(last=False)

    def all_handed_over(self, position: Position | None) -> None:
        """Nothing waits to be handed over: the place is this one, once all is done."""
        if position is None:
            return
        if self._open:
            self._open[next(reversed(self._open))].until = position
        else:
            self._place = position
            self._ahead.clear()

    def _before(self, key: int) -> _Open:
        keys = reversed(self._open)
        while next(keys) != key:
            pass
        return self._open[next(keys)]

    def _move(self, position: Position | None) -> None:
        place = self._place
        if position is None or (
            place is not None and position.last_id < place.last_id and not of_another_store(position, place)
        ):
            return
        if place is not None and of_another_store(position, place):
            self._ahead.clear()  # ids of another store
        self._place = position


def _number(event: object) -> int:
    # The id that history knows an event by: of the action, where it tells of another message.
    message = getattr(event, "action", None) or getattr(event, "message", None)
    return int(getattr(message, "id", 0))
