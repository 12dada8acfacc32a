"""How far the app has been served: the position from which the next start continues.

Usually an event counts as served when it has been handed over. An acknowledged stream holds its events until the app
has done them: then the position is the one before the oldest held event, and what was served after it is recorded as
ranges of ids, at most one per held event.
"""

from __future__ import annotations

from collections import OrderedDict

from tailwire.sdk.continuity.state import Position, of_another_store
from tailwire.sdk.listeners.events import HistoryGap, MessagePinned, MessageReceived, MessageSaved

MAX_MESSAGES_AHEAD = 2000
"""The maximum number of remembered ids of messages that this device sent while older events were held."""


class _OpenEvent:
    # An event that is handed over but not yet done. `Served.open` sets the attributes itself: every event has one.
    __slots__ = ("event", "holds", "number", "order", "position_before")

    position_before: Position | None  # the position when the event was opened
    event: object  # referenced, so that its `id()` stays unique
    holds: int
    number: int  # the id of its message at that time: the app may change the message
    order: int


class Served:
    """The position of one client, and the events that are handed over but not done.

    An event is held by the dispatcher during the hand-over, and by each acknowledged stream until the app is done with
    it.
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
            same_user: whether the user is the same, so that open events stay open, and the position stays before them.
        """
        if not same_user:
            self._open.clear()
            self._ahead.clear()
        if not self._open:
            self._reached = position

    def open(self, event: object, until: Position | None) -> None:
        """Hold an event that is about to be handed over.

        Args:
            until: the position after the event; None while no position is known.
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
        """Hold an event once more if it is open. Return whether it is open."""
        entry = self._open.get(id(event))
        if entry is not None:
            entry.holds += 1
        return entry is not None

    def release(self, event: object) -> bool:
        """Release an event once. Return whether it is done, and the position may have moved."""
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
        """Hold another object in place of an event, so that the event can be freed."""
        entry = self._open.pop(id(event), None)
        if entry is not None:
            entry.event = stand_in
            self._open[id(stand_in)] = entry

    def record_sent_ahead(self, message_id: int) -> None:
        """Record a message that this device sent while older events are open."""
        if self._open:
            self._ahead[message_id] = None
            if len(self._ahead) > MAX_MESSAGES_AHEAD:
                self._ahead.popitem(last=False)

    def record_all_handed_over(self, position: Position | None) -> None:
        """Record that the queue is empty.

        Args:
            position: the position once all open events are done; None if it is not known, which changes nothing.
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
