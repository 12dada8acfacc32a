"""The registries of a client: listeners by id, and streams of events."""

from __future__ import annotations

import asyncio
import difflib
import inspect
import re
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from tailwire.sdk.exceptions import failure
from tailwire.sdk.listeners.events import ConnectionChanged, Event
from tailwire.sdk.listeners.interfaces import (
    ConnectionListener,
    GroupListener,
    LoginListener,
    MessageListener,
    UploadFileListener,
    UserListener,
)

L = TypeVar("L")
S = TypeVar("S", bound="EventStream")
MAX_EVENTS = 1000


def check_listener(kind: type, listener: object) -> None:
    """Check that a listener can be called.

    Args:
        kind: the required class of the listener, such as `MessageListener`.

    Raises:
        CometChatException: `ERR_INVALID_ARGUMENT` if it is not an instance of `kind`, overrides no callback,
            overrides one with other parameters, or has a method whose name is almost that of a callback.
    """
    if not isinstance(listener, kind):
        type_name = listener.__name__ if isinstance(listener, type) else type(listener).__name__
        hint = (
            f"Give an instance: {type_name}()."
            if isinstance(listener, type)
            else f"Derive {type_name} from {kind.__name__}."
        )
        raise failure("ERR_INVALID_ARGUMENT", f"This is not a {kind.__name__} and would never be called. {hint}")
    for name in dir(listener):
        if name.startswith(_PREFIXES) and name not in _CALLBACKS:  # a method such as on_mount may be the app's own
            as_here = re.sub("([A-Z])", r"_\1", name).lower()  # the name in other SDKs
            meant = difflib.get_close_matches(as_here, _CALLBACKS, n=1, cutoff=0.85)
            if meant:
                where = f"{type(listener).__name__}.{name}"
                raise failure("ERR_INVALID_ARGUMENT", f"{where} would never be called. Did you mean {meant[0]}?")
    _check_callbacks(kind, listener)


def _check_callbacks(kind: type, listener: object) -> None:
    own = False
    for name in _CALLBACKS.intersection(dir(kind)):
        callback, called_as = getattr(listener, name), inspect.signature(getattr(kind, name))
        if getattr(callback, "__func__", callback) is getattr(kind, name):
            continue
        own = True
        parameters = [p for p in called_as.parameters if p != "self"]
        try:
            inspect.signature(callback).bind(*parameters)
        except TypeError as e:
            where = f"{type(listener).__name__}.{name}"
            wanted = ", ".join(parameters) or "no arguments"
            words = f"{where} cannot be called with {wanted}: {e}."
            raise failure("ERR_INVALID_ARGUMENT", words) from None
        except ValueError:  # a callable without a signature
            continue
    if not own:
        raise failure(
            "ERR_INVALID_ARGUMENT", f"{type(listener).__name__} overrides no callback and would never be called."
        )


_LISTENERS = (ConnectionListener, LoginListener, UserListener, GroupListener, MessageListener, UploadFileListener)
_CALLBACKS = frozenset(name for kind in _LISTENERS for name in vars(kind) if not name.startswith("_"))
_PREFIXES = ("on", "login", "logout")


class Listeners(Generic[L]):
    """The listeners of one class, by id. Iterating yields them in the order in which their ids were first added.

    Args:
        kind: the listener class.
    """

    def __init__(self, kind: type[L]) -> None:
        self._kind = kind
        self._by_id: dict[str, L] = {}
        self._all: tuple[tuple[str, L], ...] = ()

    def add(self, listener_id: str, listener: L) -> None:
        """Add a listener, or replace the one with this id.

        Raises:
            CometChatException: as for `check_listener`, with the code `ERR_INVALID_ARGUMENT`.
        """
        check_listener(self._kind, listener)
        self._by_id[listener_id] = listener
        self._all = tuple(self._by_id.items())

    def remove(self, listener_id: str) -> None:
        """Remove a listener, if there is one with this id; it is not called again."""
        self._by_id.pop(listener_id, None)
        self._all = tuple(self._by_id.items())

    def get(self, listener_id: str) -> L | None:
        """Return the listener with this id, or None without one. May be called in any thread."""
        return self._by_id.get(listener_id)

    def __iter__(self) -> Iterator[L]:
        # A listener that is removed during the iteration is left out.
        for listener_id, listener in self._all:
            if self._by_id.get(listener_id) is listener:
                yield listener

    def __contains__(self, listener: object) -> bool:
        return any(one is listener for one in self)

    def __bool__(self) -> bool:
        return bool(self._by_id)


class EventStream:
    """A stream of all events from the time of its creation, for `async for`.

    It buffers at most 1,000 events. While it is full, the client reads nothing further from the server: the app has to
    keep reading each stream, or close it. The iteration ends when the client or the stream is closed. A stream that the
    app no longer references is removed. When the user logs out or another one logs in, what is buffered is dropped,
    except for `ConnectionChanged`.
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
        self._on_taken(event)
        return event

    def _on_taken(self, event: Event) -> None:
        self._room.set()

    @property
    def _held(self) -> int:
        return len(self._events)

    def close(self) -> None:
        """End the stream. Buffered events can still be read."""
        self._ended = True
        self._changed.set()
        self._room.set()

    def _end_session(self) -> None:
        # The buffered events are for a user who is no longer logged in.
        self._events = deque(event for event in self._events if isinstance(event, ConnectionChanged))
        if self._held < MAX_EVENTS:
            self._room.set()

    def _put(self, event: Event) -> asyncio.Event | None:
        # Returns what to wait for before the next event.
        if self._ended:
            return None
        self._events.append(event)
        self._changed.set()
        if self._held < MAX_EVENTS:
            return None
        self._room.clear()
        return self._room


class HeldEvents(Protocol):
    """Tracks which events the app has not finished with. The saved position stays before the oldest of these.

    The position tells the server, after a restart, which messages the app has missed. `dispatch.served.Served`
    implements this protocol.
    """

    def hold(self, event: object) -> bool:
        """Keep the position before an event until `release(event)`. Return False if the event has no position."""

    def release(self, event: object) -> bool:
        """End one `hold` of an event. Return whether the position may have moved, and should be saved."""

    def substitute(self, event: object, stand_in: object) -> None:
        """Hold `stand_in` in place of an event, so that the event can be freed; `release` then takes `stand_in`."""


class PutOff:
    """The object that `AcknowledgedStream.later()` returns in place of an event.

    The app passes it to `done()` when it has processed the event.
    """


class AcknowledgedStream(EventStream):
    """Events that the app acknowledges, from `chat.events(acknowledge=True)`.

    ```python
    events = chat.events(acknowledge=True)
    async for event in events:
        await work_on(event)
        events.done(event)
    ```

    Events may be acknowledged in any order and by other tasks. A message that was not acknowledged before the process
    or the stream ended arrives again after the next start of the app. So each message arrives at least once.

    The stream holds at most 1,000 events: those that the app has not taken yet, and those that it has taken but not
    acknowledged. While it is full, the client reads nothing further from the server. Events that the server does not
    store, such as those about the connection, typing and presence, need no acknowledgement.
    """

    def __init__(self, held_events: HeldEvents, moved: Callable[[], None]) -> None:
        super().__init__()
        self._held_events = held_events
        self._moved = moved
        self._placed: set[int] = set()
        self._not_done: dict[int, Event] = {}
        self._put_off: dict[int, PutOff] = {}

    def done(self, event: Event | PutOff) -> None:
        """Acknowledge an event. Does nothing if it is done already, or is not from this stream.

        Raises:
            TypeError: if `event` is neither an event nor a result of `later()`.
        """
        if isinstance(event, PutOff):
            if self._put_off.pop(id(event), None) is not None and self._held_events.release(event):
                self._moved()
            return
        if not isinstance(event, Event):
            raise TypeError(f"{type(event).__name__} is not an event: pass what the stream returned")
        if self._not_done.get(id(event)) is event:
            del self._not_done[id(event)]
            self._placed.discard(id(event))
            if self._held_events.release(event):
                self._moved()
            if self._held < MAX_EVENTS:
                self._room.set()

    def later(self, event: Event) -> Event | PutOff:
        """Put an event off: free its place among the 1,000 events of the stream, and its content in memory.

        It still has to be acknowledged. This is for an app that keeps only the id of the message, and fetches the
        message again when it gets to it.

        Returns:
            The object to pass to `done()` in place of the event; the event itself if it needs no acknowledgement.
        """
        if self._not_done.get(id(event)) is not event:
            return event
        del self._not_done[id(event)]
        self._placed.discard(id(event))
        stand_in = PutOff()
        self._held_events.substitute(event, stand_in)
        self._put_off[id(stand_in)] = stand_in
        if self._held < MAX_EVENTS:
            self._room.set()
        return stand_in

    @property
    def not_done(self) -> int:
        """The number of events that the app has taken and still has to acknowledge, without those put off."""
        return len(self._not_done)

    @property
    def _held(self) -> int:
        return len(self._events) + len(self._not_done)

    def _on_taken(self, event: Event) -> None:
        if id(event) in self._placed:
            self._not_done[id(event)] = event
        else:
            self._room.set()

    def _end_session(self) -> None:
        self._placed -= {id(event) for event in self._events}
        super()._end_session()

    def _put(self, event: Event) -> asyncio.Event | None:
        if not self._ended and self._held_events.hold(event):
            self._placed.add(id(event))
        return super()._put(event)


class Streams:
    """The open streams of a client. They are referenced weakly: one that the app no longer references is removed.

    Args:
        held_events: tracks which events the app has not finished with; None if streams cannot be acknowledged.
        moved: called when an acknowledgement may have moved the position, which then has to be saved.

    Attributes:
        references: the weak references of the open streams; empty if none is open.
        session: the number of sessions that have ended. An event that was taken from the queue before it changed is for
            a user who is no longer logged in.
    """

    def __init__(self, held_events: HeldEvents | None = None, moved: Callable[[], None] = lambda: None) -> None:
        self.references: dict[int, weakref.ref[EventStream]] = {}
        self.session = 0
        self._held_events = held_events
        self._moved = moved

    def open(self) -> EventStream:
        """Open a stream of all events from now on."""
        return self._keep(EventStream())

    def open_acknowledged(self) -> AcknowledgedStream:
        """Open a stream whose events the app acknowledges.

        Raises:
            RuntimeError: if this registry was made without `held_events`.
        """
        if self._held_events is None:
            raise RuntimeError("this registry does not track acknowledgements")
        return self._keep(AcknowledgedStream(self._held_events, self._moved))

    def _keep(self, stream: S) -> S:
        key, room, streams = id(stream), stream._room, self.references

        def on_collected(_: object) -> None:
            streams.pop(key, None)
            room.set()

        self.references[key] = weakref.ref(stream, on_collected)
        return stream

    def end_session(self) -> None:
        """Drop all buffered events except those about the connection: another user logs in, or the user logs out."""
        self.session += 1
        for reference in list(self.references.values()):
            stream = reference()
            if stream is not None:
                stream._end_session()

    async def put(self, event: Event, session: int) -> None:
        """Add an event to one stream after the other. If one is full after that, wait until it has capacity again.

        Args:
            session: the value of the attribute when the event was taken from the queue. If it has changed, the event is
                dropped, unless it is about the connection.
        """
        for reference in list(self.references.values()):
            if session != self.session and not isinstance(event, ConnectionChanged):
                return
            stream = reference()
            room = stream._put(event) if stream is not None else None
            del stream
            if room is not None:
                await room.wait()

    def put_last(self, event: Event) -> None:
        """Add an event to all streams, and end them."""
        for reference in list(self.references.values()):
            stream = reference()
            if stream is not None:
                stream._put(event)
        self.close()

    def close(self) -> None:
        """End all streams."""
        for reference in list(self.references.values()):
            stream = reference()
            if stream is not None:
                stream.close()
        self.references.clear()
