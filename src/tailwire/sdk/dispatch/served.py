"""Track how far the app has been served: the position from which catch-up continues when the client starts again.

Usually an event counts as served when it has been handed over to the app. A stream with acknowledgement keeps an event
open until the app has acknowledged it. While events are open, the position is the one before the oldest open event, and
messages served after it are recorded as ranges of ids, at most one range per open event.
"""

from __future__ import annotations

from collections import OrderedDict

from tailwire.sdk.continuity.state import Position, of_another_store
from tailwire.sdk.listeners.events import HistoryGap, MessagePinned, MessageReceived, MessageSaved

MAX_MESSAGES_AHEAD = 2000
"""The maximum number of remembered ids of messages that this device sent while older events were open."""


class _OpenEvent:
    # An event that is handed over but not acknowledged yet. `Served.open` sets the attributes, which is faster than a
    # constructor: an object is created for every event.
    __slots__ = ("event", "holds", "number", "order", "position_before")

    position_before: Position | None  # the position when the event was opened
    event: object  # referenced, so that its `id()` stays unique
    holds: int
    number: int  # the id of its message at that time: the app may change the message
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
        self._ahead: OrderedDict[int, None] = OrderedDict()

    @property
    def position(self) -> Position | None:
        """The position up to which everything has been served; None without a session, or before it is known."""
        reached = self._reached
        if not self._open:
            return reached
        place = min(self._open.values(), key=lambda entry: entry.order).position_before
        if place is None or reached is None:
            return place
        numbers = sorted([entry.number for entry in self._open.values()])
        last_id = min(place.last_id, numbers[0] - 1)
        own = {*place.own, *self._ahead}
        if of_another_store(place, reached):
            return place._replace(last_id=last_id, own=_newest(own, last_id))
        top = reached.last_id
        done = [(n, until - 1) for n, until in zip(numbers, [*numbers[1:], top + 1], strict=True) if n < until - 1]
        done += [(max(after, top), to) for after, to in reached.done if to > top]
        return place._replace(last_id=last_id, own=_newest({*own, *reached.own}, top), done=tuple(done))

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
        if type(event) is MessageReceived:  # nearly all events
            number = event.message.id
        else:
            number = _id_in_history(event) or (until.last_id if until is not None else 0)
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
        if not self._open:
            self._ahead.clear()
        return True

    def substitute(self, event: object, stand_in: object) -> None:
        """Replace an open event by another object, which takes over its holds, so that the event can be freed."""
        entry = self._open.pop(id(event), None)
        if entry is not None:
            entry.event = stand_in
            self._open[id(stand_in)] = entry

    def record_sent_ahead(self, message_id: int) -> None:
        """Record a message that this device sent, so that catch-up skips it. Does nothing unless events are open."""
        if self._open:
            self._ahead[message_id] = None
            if len(self._ahead) > MAX_MESSAGES_AHEAD:
                self._ahead.popitem(last=False)

    def record_all_handed_over(self, position: Position | None) -> None:
        """Record that the queue is empty, so that the app has been served up to `position` except for open events.

        Args:
            position: the position of the catch-up; None if it is not known, which changes nothing.
        """
        if position is not None:
            self._reached = position


def _newest(own: set[int], above: int) -> tuple[int, ...]:
    return tuple(sorted(n for n in own if n > above)[-MAX_MESSAGES_AHEAD:])


def _id_in_history(event: object) -> int:
    # The id of the event in history: that of the action message, if there is one.
    if isinstance(event, HistoryGap):  # stands for an unreadable message
        return event.to_id
    if isinstance(event, MessagePinned | MessageSaved):
        return 0  # the message may be an old one
    message = getattr(event, "action", None) or getattr(event, "message", None)
    return int(getattr(message, "id", 0))
