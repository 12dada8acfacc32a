"""Who has asked for what: listeners by id, and streams of events."""

from __future__ import annotations

import asyncio
import difflib
import re
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from tailwire.sdk.exceptions import failure
from tailwire.sdk.listeners.events import Event
from tailwire.sdk.listeners.interfaces import (
    ConnectionListener,
    GroupListener,
    LoginListener,
    MessageListener,
    UploadFileListener,
    UserListener,
)

L = TypeVar("L")
MOST_EVENTS = 1000


def check_listener(kind: type, listener: object) -> None:
    """Check that a listener can hear something.

    Raises:
        CometChatException: `ERR_INVALID_ARGUMENT` when it is not derived from its class, or when a method is named
            almost as a callback is.
    """
    if not isinstance(listener, kind):
        given = listener.__name__ if isinstance(listener, type) else type(listener).__name__
        hint = (
            f"Give an instance: {given}()." if isinstance(listener, type) else f"Derive {given} from {kind.__name__}."
        )
        raise failure("ERR_INVALID_ARGUMENT", f"This is no {kind.__name__}, and would hear nothing. {hint}")
    for name in dir(listener):
        if name.startswith(_PREFIXES) and name not in _CALLBACKS:  # an app's own, such as on_mount, is no mistake
            as_here = re.sub("([A-Z])", r"_\1", name).lower()  # as other SDKs write it
            meant = difflib.get_close_matches(as_here, _CALLBACKS, n=1, cutoff=0.85)
            if meant:
                where = f"{type(listener).__name__}.{name}"
                raise failure("ERR_INVALID_ARGUMENT", f"{where} would never be called. Did you mean {meant[0]}?")


_LISTENERS = (ConnectionListener, LoginListener, UserListener, GroupListener, MessageListener, UploadFileListener)
_CALLBACKS = frozenset(name for kind in _LISTENERS for name in vars(kind) if not name.startswith("_"))
_PREFIXES = ("on", "login", "logout")


class Listeners(Generic[L]):
    """The listeners of one type, by id. The same id replaces.

    Args:
        kind: the listener class.
    """

    def __init__(self, kind: type[L]) -> None:
        self._kind = kind
        self._by_id: dict[str, L] = {}

    def add(self, listener_id: str, listener: L) -> None:
        """Add a listener, or replace the one of this id.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` for one that would hear nothing.
        """
        check_listener(self._kind, listener)
        self._by_id[listener_id] = listener

    def remove(self, listener_id: str) -> None:
        """Remove a listener; it is not called again."""
        self._by_id.pop(listener_id, None)

    def __iter__(self) -> Iterator[L]:
        # Those of now; one that is removed while they are called is left out.
        for listener_id, listener in list(self._by_id.items()):
            if self._by_id.get(listener_id) is listener:
                yield listener

    def __bool__(self) -> bool:
        return bool(self._by_id)


class EventStream:
    """The events from now on, for `async for`. Holds at most 1,000: then the client reads no more until some are taken.

    It ends when the client is closed, when `close()` is called, or when nobody holds it any more.
    """

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._ended = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        event = self._events.popleft()
        self._room.set()
        return event

    def close(self) -> None:
        """Take no more events; those that are here can still be read."""
        self._ended = True
        self._changed.set()
        self._room.set()

    def _put(self, event: Event) -> asyncio.Event | None:
        # Answers what to wait for before the next.
        if self._ended:
            return None
        self._events.append(event)
        self._changed.set()
        if len(self._events) < MOST_EVENTS:
            return None
        self._room.clear()
        return self._room


class Streams:
    """The open streams. They are held weakly: one that the app drops is gone, and blocks nobody."""

    def __init__(self) -> None:
        self._streams: dict[int, weakref.ref[EventStream]] = {}

    def open(self) -> EventStream:
        """A new stream."""
        stream = EventStream()
        key, room, streams = id(stream), stream._room, self._streams

        def gone(_: object) -> None:
            streams.pop(key, None)
            room.set()

        self._streams[key] = weakref.ref(stream, gone)
        return stream

    async def put(self, event: Event) -> None:
        """Give an event to each stream; waits while one is full."""
        for reference in list(self._streams.values()):
            stream = reference()
            room = stream._put(event) if stream is not None else None
            del stream
            if room is not None:
                await room.wait()

    def close(self) -> None:
        """End all of them."""
        for reference in list(self._streams.values()):
            stream = reference()
            if stream is not None:
                stream.close()
        self._streams.clear()

    def __bool__(self) -> bool:
        return bool(self._streams)
