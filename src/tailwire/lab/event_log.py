"""What happens in the lab, in order: kept for pages that come later and for the file, and given to those who listen.

Rule: bounded, also for a listener that does not keep up: it is let go, and comes back for the whole story.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

MAX_EVENTS = 5000
MAX_WAITING = 1000
MAX_LISTENERS = 16

Event = dict[str, Any]


def is_text(text: str) -> bool:
    """Return whether a text can be written as UTF-8: it has no lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


class EventLog:
    """The events of a lab.

    Attributes:
        begin: when it began, on the event loop's clock: the zero of `at`.
    """

    def __init__(self) -> None:
        self.begin = asyncio.get_running_loop().time()
        self._events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._listeners: dict[asyncio.Queue[Event | None], None] = {}

    @property
    def now(self) -> float:
        """Seconds since it began."""
        return round(asyncio.get_running_loop().time() - self.begin, 3)

    @property
    def events(self) -> list[Event]:
        """The last events, oldest first."""
        return list(self._events)

    def add(self, kind: str, *, keep: bool = True, **fields: Any) -> None:
        """Note an event and give it to all who listen.

        Args:
            kind: what it is.
            keep: whether it belongs to the story; otherwise only those who listen now hear of it.
        """
        event = {"at": self.now, "kind": kind, **fields}
        if keep:
            self._events.append(event)
        for queue in list(self._listeners):
            if queue.qsize() >= MAX_WAITING:
                self.leave(queue)
            else:
                queue.put_nowait(event)

    def listen(self) -> asyncio.Queue[Event | None]:
        """Return a queue of the events from now on; None in it is the end.

        Raises:
            RuntimeError: when too many listen.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise RuntimeError(f"{MAX_LISTENERS} pages show this lab already: close one")
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._listeners[queue] = None
        return queue

    def leave(self, queue: asyncio.Queue[Event | None]) -> None:
        """Give this queue no more events."""
        if queue in self._listeners:
            del self._listeners[queue]
            queue.put_nowait(None)

    def close(self) -> None:
        """Tell all who listen that it is over."""
        for queue in list(self._listeners):
            self.leave(queue)
