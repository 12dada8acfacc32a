"""The events of a lab, in order: sent to the open pages, and kept for pages opened later and for the recording.

Rule: bounded. A page that does not keep up is disconnected, and gets all kept events when it reconnects. The state of
the server and of the phones follows from the kept events, however many came after the last change.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from tailwire.sdk.io import clock

MAX_EVENTS = 5000
MAX_WAITING_EVENTS = 1000
MAX_LISTENERS = 16
STATE_KINDS = ("server", "switch", "transition", "says")
"""Events of these kinds say how things are, so the latest one of each phone is always kept."""

Event = dict[str, Any]
"""An event: `at` (seconds since the lab began), `kind`, and the fields of its kind (`recording.KINDS`)."""


def is_text(text: str) -> bool:
    """Return whether a text can be encoded as UTF-8, that is, has no lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


class EventLog:
    """The events of a lab.

    Attributes:
        begin: when the lab began, on the clock of the clients and their dumps; `at` of an event is relative to it.
    """

    def __init__(self) -> None:
        self.begin = clock.seconds()
        self._count = 0
        self._events: deque[tuple[int, Event]] = deque(maxlen=MAX_EVENTS)
        self._latest: dict[tuple[str, str], tuple[int, Event]] = {}
        self._listeners: dict[asyncio.Queue[Event | None], None] = {}

    @property
    def now(self) -> float:
        """Seconds since the lab began, rounded to milliseconds."""
        return round(clock.seconds() - self.begin, 3)

    @property
    def events(self) -> list[Event]:
        """The kept events, oldest first: the latest `MAX_EVENTS`, and older ones of `STATE_KINDS`; none of `says`."""
        return [event for event in self.page_events if event["kind"] != "says"]

    @property
    def page_events(self) -> list[Event]:
        """The events for a page that is opened now, oldest first: the kept ones, and what each phone says."""
        numbered = dict([*self._latest.values(), *self._events])
        return [numbered[number] for number in sorted(numbered)]

    def add(self, kind: str, *, keep: bool = True, **fields: Any) -> None:
        """Add an event and put it into all queues of `listen`.

        A queue with `MAX_WAITING_EVENTS` unread events gets None instead, and no further events.

        Args:
            kind: the kind of the event.
            keep: whether to keep it for the recording; otherwise only pages get it, later ones only the latest of each
                phone, and only if it is of `STATE_KINDS`.
            fields: the other fields of the event; their values can be written as JSON.
        """
        event = {"at": self.now, "kind": kind, **fields}
        self._count += 1
        if keep:
            self._events.append((self._count, event))
        if kind in STATE_KINDS:
            self._latest[kind, str(fields.get("phone", ""))] = (self._count, event)
        for queue in list(self._listeners):
            if queue.qsize() >= MAX_WAITING_EVENTS:
                self.leave(queue)
            else:
                queue.put_nowait(event)

    def listen(self) -> asyncio.Queue[Event | None]:
        """Return a queue of future events.

        None in it means that no further event follows: the log was closed, or too many events were not read.
        Call `leave` when the queue is no longer read.

        Raises:
            RuntimeError: if `MAX_LISTENERS` pages listen already.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise RuntimeError(f"{MAX_LISTENERS} pages show this lab already: close one")
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._listeners[queue] = None
        return queue

    def leave(self, queue: asyncio.Queue[Event | None]) -> None:
        """Stop adding events to a queue of `listen`, and put the None that ends it. Without effect if it has ended."""
        if queue in self._listeners:
            del self._listeners[queue]
            queue.put_nowait(None)

    def close(self) -> None:
        """End all queues of `listen` with None."""
        for queue in list(self._listeners):
            self.leave(queue)
