"""Track how far the app has been served: the position from which catch-up continues when the client starts again.

Usually an event counts as served when it has been handed over to the app. A stream with acknowledgement keeps an event
open until the app has acknowledged it. While events are open, the position is the one before the oldest open event, and
messages served after it are recorded as ranges of ids: between the open messages, and what was served before the first.
An open event that is not a message, such as a reaction, divides no range: the number of its change brings it back.
"""

from __future__ import annotations

from collections import OrderedDict

from tailwire.sdk.continuity.state import Position, of_another_store
from tailwire.sdk.listeners.events import HistoryGap, MessagePinned, MessageReceived, MessageSaved

MAX_MESSAGES_AHEAD = 2000
"""The maximum number of remembered ids of messages that this device sent while older events were open or queued."""


class _OpenEvent:
    # An event that is handed over but not acknowledged yet. `Served.open` sets the attributes, which is faster than a
    # constructor: an object is created for every event.
    __slots__ = ("event", "holds", "number", "order", "position_before")

    position_before: Position | None  # the position when the event was opened
    event: object  # referenced, so that its `id()` stays unique
    holds: int
    number: int  # its id in history at that time, as the app may change the message; 0 if it is not in history
    order: int


class Served:
    """The position of one client, and its open events: those that do not count as served yet.

    An event is open while anyone holds it: the dispatcher during the hand-over, and each stream with acknowledgement
    until the app has acknowledged the event. Holds are counted; `open` and `hold` add one, `release` removes one.
    """

    def __init__(self) -> None:
        self._reached: Position | None = None  # the position once all open events are done
        self._open: dict[int, _OpenEvent] = {}  # by the `id()` of the event
        self._opened = 0  # how many were opened so far
        self._ahead: OrderedDict[int, Position | None] = OrderedDict()  # own messages, to what was reached at the time

    @property
    def position(self) -> Position | None:
        """The position up to which everything has been served; None without a session, or before it is known."""
        reached = self._reached
        if not self._open:
            if reached is None or not self._ahead:
                return reached
            return reached._replace(own=_newest({*reached.own, *self._ahead_of(reached)}, reached.last_id))
        place = min(self._open.values(), key=lambda entry: entry.order).position_before
        if place is None or reached is None:
            return place
        numbers = sorted([entry.number for entry in self._open.values() if entry.number])
        last_id = min(place.last_id, numbers[0] - 1) if numbers else place.last_id
        own = {*place.own, *self._ahead_of(place)}
        if of_another_store(place, reached):
            return place._replace(last_id=last_id, own=_newest(own, last_id))
        done = self._done_above(last_id, numbers, reached)
        first = numbers[0] if numbers else 0
        own = {n for n in (*own, *reached.own) if n < first or n > reached.last_id}  # `done` has those between
        return place._replace(last_id=last_id, own=_newest(own, last_id), done=tuple(done))

    def _ahead_of(self, place: Position) -> list[int]:
        # The own messages to add to a position: not those of a store that was replaced before the position was reached.
        reached = self._reached
        if reached is None or of_another_store(place, reached):
            return [*self._ahead]
        return [n for n, at in self._ahead.items() if at is not None and not of_another_store(at, reached)]

    def _done_above(self, last_id: int, numbers: list[int], reached: Position) -> list[tuple[int, int]]:
        # The ranges above `last_id` that were served, if the open events have these ids: what was served when the one
        # with the lowest id was opened, and all between them.
        top, done = reached.last_id, [(last_id, reached.last_id)]
        if numbers:
            first = numbers[0]
            before = next(entry.position_before for entry in self._open.values() if entry.number == first) or Position()
            done = [(last_id, min(before.last_id, first - 1))]
            done += [(max(after, before.last_id), min(to, first - 1)) for after, to in before.done]
            done += zip(numbers, [n - 1 for n in numbers[1:]] + [top], strict=True)
        done += [(max(after, top), to) for after, to in reached.done]
        return [(after, to) for after, to in done if after < to]

    def begin(self, position: Position | None, *, same_user: bool = False) -> None:
        """Begin a session at a position, or end it with None.

        Args:
            position: the position in the saved session; ignored while events of the same user are open.
            same_user: whether the previous session was one of the same user, so that its open events stay open.
        """
        if not same_user:
            self._open.clear()
            self._ahead.clear()
        if not self._open:
            self._reached = position

    def open(self, event: object, until: Position | None) -> None:
        """Open an event that is about to be handed over, with one hold.

        Args:
            until: the position once the event is served; None while no position is known.
        """
        reached = self._reached
        self._opened += 1
        number = event.message.id if type(event) is MessageReceived else _id_in_history(event)  # nearly all: the first
        self._open[id(event)] = opened = _OpenEvent()
        opened.event = event
        opened.order = self._opened
        opened.number = number
        opened.position_before = reached
        opened.holds = 1
        if until is not None and (
            reached is None or until.last_id >= reached.last_id or of_another_store(until, reached)
        ):
            self._reached = until

    def hold(self, event: object) -> bool:
        """Add a hold to an event, if it is open. Return whether it is open."""
        entry = self._open.get(id(event))
        if entry is not None:
            entry.holds += 1
        return entry is not None

    def release(self, event: object) -> bool:
        """Remove one hold from an event.

        Returns:
            True if it was the last hold, so that the event counts as served and the position may have moved. False if
            others still hold it, or it is not open, for example because another user has logged in.
        """
        entry = self._open.get(id(event))
        if entry is None:
            return False
        entry.holds -= 1
        if entry.holds:
            return False
        del self._open[id(event)]
        return True

    def substitute(self, event: object, stand_in: object) -> None:
        """Replace an open event by another object, which takes over its holds, so that the event can be freed."""
        entry = self._open.pop(id(event), None)
        if entry is not None:
            entry.event = stand_in
            self._open[id(stand_in)] = entry

    def record_sent_ahead(self, message_id: int) -> None:
        """Record a message that this device sent, so that catch-up skips it while older events are open or queued."""
        self._ahead[message_id] = self._reached
        if len(self._ahead) > MAX_MESSAGES_AHEAD:
            self._ahead.popitem(last=False)

    def record_all_handed_over(self, position: Position | None) -> None:
        """Record that the queue is empty, so that the app has been served up to `position` except for open events.

        Args:
            position: the position of the catch-up, which knows the messages that this device sent; None if it is not
                known, which changes nothing.
        """
        if position is not None:
            self._reached = position
            if not self._open:
                self._ahead.clear()


def _newest(own: set[int], above: int) -> tuple[int, ...]:
    return tuple(sorted(n for n in own if n > above)[-MAX_MESSAGES_AHEAD:])


def _id_in_history(event: object) -> int:
    # The id of the event in history: that of the action message, if there is one. 0 for a change: it has no id.
    if isinstance(event, HistoryGap):  # stands for an unreadable message
        return event.to_id
    if isinstance(event, MessagePinned | MessageSaved):
        return 0  # the message may be an old one
    message = getattr(event, "action", None) or getattr(event, "message", None)
    return int(getattr(message, "id", 0))
