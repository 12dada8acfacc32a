"""The base of all live lists: passes changes to readers, and decides when to request the list from the server again."""

from __future__ import annotations

import asyncio
import inspect
import logging
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, Protocol, Self, TypeVar

from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.dispatch.callbacks import StatusChanged
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.io.watchers import call_plain
from tailwire.sdk.live.changes import Change, ChangeKind, Keyed, steps
from tailwire.sdk.retry import RETRYABLE_CODES, RetryPolicy, Waits

log = logging.getLogger("tailwire")
K = TypeVar("K", bound=Keyed)
MIN_INTERVAL_SECONDS = 1.0
"""The minimum time between two background requests of a list."""
OVERLAP_SECONDS = 1.0
"""An event that arrives within this number of seconds after a response may be included in the response already."""
MAX_DOUBT_SECONDS = 30.0
"""The maximum pause between two requests whose only reason is that an event may have been counted twice.

The pause is `MIN_INTERVAL_SECONDS` at first, and doubles with each such request. Otherwise, a steady stream of events
would cause an endless series of requests, because new events follow each response.
"""
LIST_RETRY = RetryPolicy(first=2.0, longest=60.0)
MAX_QUEUED_CHANGES = 1000
MAX_REPLAYED_EVENTS = 5000


class OpenLists(Protocol):
    """The registry of a client's open lists, which passes events to them (`calling.LiveLists`)."""

    def add(self, live: LiveList[Any]) -> None: ...
    def discard(self, live: LiveList[Any]) -> None: ...


def check_open(live: LiveList[Any]) -> None:
    """Check that a list is open.

    Raises:
        CometChatException: `LIVE_LIST_CLOSED` if it is closed.
    """
    if live.closed:
        raise failure("LIVE_LIST_CLOSED")


class LiveList(Generic[K]):
    """A list that is kept up to date by the events of its client.

    An item is never modified: when it changes, another object takes its place in `items`. Close the list when it is no
    longer shown. It is also closed when its client is closed, and when the user logs out.

    Attributes:
        uid: the uid of the user whose list it is.
        error: why the last request to the server failed; None if it succeeded. The request is repeated in the
            background, unless the server has refused it and would do so again.
    """

    def __init__(self, lists: OpenLists, uid: str, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._lists = lists
        self._loop = asyncio.get_running_loop()
        self.uid = uid
        self.error: CometChatException | None = None
        self._items: tuple[K, ...] = ()
        self._status: Any = None
        self._callbacks: dict[int, Callable[[Change[K]], object]] = {}
        self._number = 0
        self._readers: weakref.WeakSet[_Reader[K]] = weakref.WeakSet()
        self._hurry = asyncio.Event()
        self._closed = self._wanted = self._throttled = self._only_doubts = False
        self._doubt_seconds = MIN_INTERVAL_SECONDS
        self._task: asyncio.Task[None] | None = None
        self._asking = asyncio.Lock()
        self._replay: list[object] | None = None  # events during a request; applied again to its response
        self._answered = self._asked = float("-inf")
        lists.add(self)

    # Called by the app.

    @property
    def items(self) -> tuple[K, ...]:
        """The current items, in order."""
        return self._items

    @property
    def closed(self) -> bool:
        """Whether the list is closed. Its last items can still be read."""
        return self._closed

    def subscribe(self, callback: Callable[[Change[K]], object]) -> Callable[[], None]:
        """Call a function with each change from now on.

        Applied in order to a copy of `items` that is made now (`Change.apply`), the changes keep the copy equal to
        `items`.

        Args:
            callback: a plain function. It is called in the event loop and must not block. Its exceptions are logged.

        Returns:
            A function that ends the subscription. It may be called more than once.

        Raises:
            TypeError: if `callback` is not a plain function.
            CometChatException: `LIVE_LIST_CLOSED` if the list is closed.
        """
        if not callable(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError("Give a plain function; in async code use `async for change in live.changes()`.")
        check_open(self)
        self._number += 1
        number = self._number
        self._callbacks[number] = callback

        def stop() -> None:
            self._callbacks.pop(number, None)

        return stop

    def changes(self) -> AsyncIterator[Change[K]]:
        """Return an async iterator over the changes from now on. It ends when the list is closed.

        It queues up to 1,000 changes. If there are more, the queue is replaced by one change of the kind `reset`, with
        the items at the time when it is read.
        """
        reader = _Reader(self)
        self._readers.add(reader)
        return reader

    async def refresh(self) -> None:
        """Request the list from the server again, and wait until the response has been applied.

        This is needed only for changes that no event reports; docs/live-lists.md names them.

        Raises:
            CometChatException: `LIVE_LIST_CLOSED` if the list is closed, or was closed before the response came; or
                another code of the server.
        """
        check_open(self)
        await self._request(self._read_all)

    def close(self) -> None:
        """Stop updating the list, and end its iterators and subscriptions. May be called more than once."""
        if self._closed:
            return
        self._closed = True
        self._lists.discard(self)
        if self._task is not None:
            self._task.cancel()
        self._callbacks.clear()
        for reader in list(self._readers):
            reader.wake()
        self._readers.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()

    # Called by the client.

    def _retry_later(self, error: CometChatException) -> None:
        """Set `error` after the first request has failed, and start to retry it in the background."""
        self.error = error
        self._want_all()
        self._show()

    async def _end(self) -> None:
        """Close the list, and wait until its background task has ended."""
        task = self._task
        self.close()
        if task is not None and task is not asyncio.current_task():
            await asyncio.wait([task])

    def _handle(self, event: object) -> None:
        """Apply an event of the client, and report the changes. Do nothing if the list is closed."""
        if self._closed:
            return
        if isinstance(event, StatusChanged):
            if self._throttled and event.status is ConnectionStatus.CONNECTED:
                self._want_all()  # the server has dropped receipts and presence meanwhile
            self._throttled = event.status is ConnectionStatus.FEATURE_THROTTLED
        if self._replay is not None:
            if len(self._replay) < MAX_REPLAYED_EVENTS:
                self._replay.append(event)
            else:
                self._wanted = True  # too many to replay: request the list again
        self._apply(event, unsure=self._loop.time() < self._answered + OVERLAP_SECONDS)
        self._show()

    # Implemented by the two kinds of lists.

    def _apply(self, event: object, *, unsure: bool) -> None:
        raise NotImplementedError

    def _contents(self) -> tuple[tuple[K, ...], Any]:
        # Return the items, and the rest of the visible state.
        raise NotImplementedError

    def _needs_request(self) -> bool:
        # Return whether something must be requested.
        raise NotImplementedError

    def _is_doubtful(self) -> bool:
        # Return whether an event may have been counted twice, so that something should be requested.
        raise NotImplementedError

    async def _read_all(self) -> Callable[[], None]:
        # Request everything that is shown. Return a function that applies the response.
        raise NotImplementedError

    async def _read_needed(self) -> Callable[[], None]:
        # Request what is needed. Return a function that applies the response.
        raise NotImplementedError

    async def _request(self, read: Callable[[], Any]) -> None:
        async with self._asking:
            check_open(self)
            self._replay, self._asked = [], self._loop.time()
            self._doubt_seconds = (
                min(self._doubt_seconds * 2, MAX_DOUBT_SECONDS) if self._is_doubtful() else MIN_INTERVAL_SECONDS
            )
            try:
                take = await read()
                check_open(self)
                take()
                for event in self._replay:
                    self._apply(event, unsure=True)
            finally:
                self._replay = None
            self._answered, self.error = self._loop.time(), None
        self._show()

    def _show(self) -> None:
        old, before = self._items, self._status
        items, status = self._contents()
        self._status = (status, self.error)
        found: list[Change[K]] = []
        if items is not old:
            found = steps(old, items)
            self._items = items
        if before is not None and before != self._status:
            found.append(Change(ChangeKind.STATUS))
        self._report(found)
        if self._closed:
            return
        if self._task is None and (self._wanted or self._needs_request() or self._is_doubtful()):
            self._task = self._loop.create_task(self._keep_asking(), name="tailwire live list")
        elif self._only_doubts and self._needs_request():
            self._hurry.set()

    def _report(self, changes: list[Change[K]]) -> None:
        # A callback may subscribe, or begin to read: `items`, from which it starts, includes all of these changes.
        readers, callbacks = list(self._readers), list(self._callbacks.items())
        for change in changes:
            for reader in readers:
                reader.put(change)
            for number, callback in callbacks:
                if number in self._callbacks:
                    call_plain(callback, change, "a callback of a live list")

    def _want_all(self) -> None:
        # Request the list soon, even during a back-off.
        self._wanted = True
        self._hurry.set()

    def _give_up(self, error: CometChatException) -> None:
        # The server refused the request, and would do so again.
        self._wanted = False

    async def _keep_asking(self) -> None:
        wait, retries = MIN_INTERVAL_SECONDS, Waits(LIST_RETRY, self._chance)
        try:
            while self._wanted or self._needs_request() or self._is_doubtful():
                self._only_doubts = not (self._wanted or self._needs_request())
                pause = max(wait, self._doubt_seconds) if self._only_doubts else wait
                if await self._wait_or_hurry(self._asked + pause - self._loop.time()):
                    wait = MIN_INTERVAL_SECONDS
                    retries.reset()
                    continue
                whole, self._wanted = self._wanted, False
                try:
                    await self._request(self._read_all if whole else self._read_needed)
                    wait = MIN_INTERVAL_SECONDS
                    retries.reset()
                except CometChatException as error:
                    if self._closed:
                        return
                    self.error = error
                    self._wanted = self._wanted or whole
                    if error.code not in RETRYABLE_CODES:
                        self._give_up(error)
                    wait = min(retries.next_wait(error.retry_after), LIST_RETRY.longest)
                    log.info("a live list could not be read: %s", error.code)
                    self._show()
                except Exception:
                    self._wanted, wait = self._wanted or whole, LIST_RETRY.longest
                    log.exception("unexpected error while reading a live list; it is retried")
        finally:
            self._task, self._only_doubts = None, False

    async def _wait_or_hurry(self, seconds: float) -> bool:
        # Wait. Return whether a long wait was interrupted because something must be requested soon.
        self._hurry.clear()
        if seconds <= 0:
            return False
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return False
        return seconds > MIN_INTERVAL_SECONDS


class _Reader(Generic[K]):
    """One iterator over the changes of a list, with its queue."""

    def __init__(self, live: LiveList[K]) -> None:
        self._live = live
        self._changes: deque[Change[K]] = deque()
        self._behind = False
        self._changed = asyncio.Event()

    def put(self, change: Change[K]) -> None:
        """Queue a change. If the queue is full, discard it: the next change read is a `reset`."""
        if not self._behind:
            self._changes.append(change)
            if len(self._changes) > MAX_QUEUED_CHANGES:
                self._changes.clear()
                self._behind = True
        self._changed.set()

    def wake(self) -> None:
        """Wake the reader, because the list was closed."""
        self._changed.set()

    def __aiter__(self) -> AsyncIterator[Change[K]]:
        return self

    async def __anext__(self) -> Change[K]:
        while not self._changes and not self._behind:
            if self._live.closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        if self._behind:
            self._behind = False
            return Change(ChangeKind.RESET, items=self._live.items)
        return self._changes.popleft()
