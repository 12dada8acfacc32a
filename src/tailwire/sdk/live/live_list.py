"""What both live lists have: who is told, and when the server is asked again."""

from __future__ import annotations

import asyncio
import inspect
import logging
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, Protocol, Self, TypeVar

from tailwire.sdk.connection.state import Status
from tailwire.sdk.dispatch.callbacks import StatusTold
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.io.watchers import call_plain
from tailwire.sdk.live.changes import Change, ChangeKind, Keyed, steps
from tailwire.sdk.retry import RETRYABLE, RetryPolicy, Waits

log = logging.getLogger("tailwire")
K = TypeVar("K", bound=Keyed)
EVERY = 1.0
"""Seconds between two requests of a list that nobody asked for."""
SETTLES = 1.0
"""Seconds after an answer in which an event may tell of what is in the answer already."""
MAX_DOUBT = 30.0
"""Seconds between two requests because of such events. Each such request doubles them, from `EVERY` on: while events
keep coming, each answer is in doubt again."""
LIST_RETRY = RetryPolicy(first=2.0, longest=60.0)
MAX_WAITING = 1000
MAX_REPLAYED = 5000


class Lists(Protocol):
    """Where the open lists are known."""

    def add(self, live: LiveList[Any]) -> None: ...
    def discard(self, live: LiveList[Any]) -> None: ...


def check_open(live: LiveList[Any]) -> None:
    """Let a call on a list pass.

    Raises:
        CometChatException: `LIVE_LIST_CLOSED`.
    """
    if live.closed:
        raise failure("LIVE_LIST_CLOSED")


class LiveList(Generic[K]):
    """A list that is kept as the server has it, from the events of its client.

    `items` is always a whole: what is in it belongs together. Nothing in it is changed afterwards; what changes is
    replaced. Close the list when nobody looks at it any more; it is closed with its client, and when the user logs
    out.

    Attributes:
        error: why the server could not be asked at the last try; None when all is well. It is tried again.
    """

    def __init__(self, lists: Lists, uid: str, chance: Callable[[], float]) -> None:
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
        self._closed = self._wanted = self._throttled = self._patient = False
        self._patience = EVERY
        self._task: asyncio.Task[None] | None = None
        self._asking = asyncio.Lock()
        self._replay: list[object] | None = None  # what happened while the server was asked
        self._answered = self._asked = float("-inf")
        lists.add(self)

    # For the app.

    @property
    def items(self) -> tuple[K, ...]:
        """The items, in order."""
        return self._items

    @property
    def closed(self) -> bool:
        """Whether the list is kept no longer. Its last items can still be read."""
        return self._closed

    def subscribe(self, callback: Callable[[Change[K]], object]) -> Callable[[], None]:
        """Hear of changes from now on.

        Args:
            callback: called with each `Change`, in order, on the event loop. Applied one after the other to a copy of
                `items`, they keep it equal to `items`. Must not block; what it raises is logged.

        Returns:
            What ends it. Calling it twice does no harm.

        Raises:
            TypeError: when it cannot be called.
            CometChatException: `LIVE_LIST_CLOSED`.
        """
        if not callable(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError("Give a plain function; for async code use `async for change in live.changes()`.")
        check_open(self)
        self._number += 1
        number = self._number
        self._callbacks[number] = callback

        def stop() -> None:
            self._callbacks.pop(number, None)

        return stop

    def changes(self) -> AsyncIterator[Change[K]]:
        """Return the changes from now on, for `async for`; ends when the list is closed, at once if it is already.

        A reader that is 1,000 changes behind gets one `reset` with all items in their place.
        """
        reader = _Reader(self)
        self._readers.add(reader)
        return reader

    async def refresh(self) -> None:
        """Read what is shown from the server now.

        Needed for what no event tells: see the documentation of live lists.

        Raises:
            CometChatException: `LIVE_LIST_CLOSED`, or as the server refused it.
        """
        check_open(self)
        await self._ask(self._read_all)

    def close(self) -> None:
        """Keep the list no longer. Its readers come to their end; nothing is called any more."""
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

    # For the client.

    def ask_later(self, error: CometChatException) -> None:
        """The server could not be asked for the first items: say so, and ask again until it can be."""
        self.error = error
        self._want_all()
        self._show()

    async def ended(self) -> None:
        """Close, and wait until nothing runs any more."""
        task = self._task
        self.close()
        if task is not None and task is not asyncio.current_task():
            await asyncio.wait([task])

    def hear(self, event: object) -> None:
        """Something happened."""
        if self._closed:
            return
        if isinstance(event, StatusTold):
            if self._throttled and event.status is Status.CONNECTED:
                self._want_all()  # meanwhile the server left receipts and presence out
            self._throttled = event.status is Status.FEATURE_THROTTLED
        if self._replay is not None:
            if len(self._replay) < MAX_REPLAYED:
                self._replay.append(event)
            else:
                self._wanted = True  # too much for one answer: it is asked for again
        self._apply(event, unsure=self._loop.time() < self._answered + SETTLES)
        self._show()

    # For the two kinds.

    def _apply(self, event: object, *, unsure: bool) -> None:
        raise NotImplementedError

    def _contents(self) -> tuple[tuple[K, ...], Any]:
        # The items, and what else is shown.
        raise NotImplementedError

    def _needs(self) -> bool:
        # Whether the server has to be asked for something.
        raise NotImplementedError

    def _doubts(self) -> bool:
        # Whether it may have to be asked for something: an event may have told of what was in the answer already.
        raise NotImplementedError

    async def _read_all(self) -> Callable[[], None]:
        # Asks for all that is shown, and gives what takes the answer.
        raise NotImplementedError

    async def _read_needed(self) -> Callable[[], None]:
        # Asks for what is needed, and gives what takes the answer.
        raise NotImplementedError

    async def _ask(self, read: Callable[[], Any]) -> None:
        async with self._asking:
            check_open(self)
            self._replay, self._asked = [], self._loop.time()
            self._patience = min(self._patience * 2, MAX_DOUBT) if self._doubts() else EVERY
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
        for change in found:
            self._tell(change)
        if self._closed:
            return
        if self._task is None and (self._wanted or self._needs() or self._doubts()):
            self._task = self._loop.create_task(self._keep_asking(), name="tailwire live list")
        elif self._patient and self._needs():
            self._hurry.set()

    def _tell(self, change: Change[K]) -> None:
        for reader in list(self._readers):
            reader.put(change)
        for number, callback in list(self._callbacks.items()):
            if number in self._callbacks:
                call_plain(callback, change, "a callback of a live list")

    def _want_all(self) -> None:
        # Soon, also where it is tried again only after a while.
        self._wanted = True
        self._hurry.set()

    def _give_up(self, error: CometChatException) -> None:
        # The server refuses, and would again.
        self._wanted = False

    async def _keep_asking(self) -> None:
        wait, retries = EVERY, Waits(LIST_RETRY, self._chance)
        try:
            while self._wanted or self._needs() or self._doubts():
                self._patient = not (self._wanted or self._needs())
                pause = max(wait, self._patience) if self._patient else wait
                if await self._hurried(self._asked + pause - self._loop.time()):
                    wait = EVERY
                    retries.reset()
                    continue
                whole, self._wanted = self._wanted, False
                try:
                    await self._ask(self._read_all if whole else self._read_needed)
                    wait = EVERY
                    retries.reset()
                except CometChatException as error:
                    if self._closed:
                        return
                    self.error = error
                    self._wanted = self._wanted or whole
                    if error.code not in RETRYABLE:
                        self._give_up(error)
                    wait = min(retries.next(error.retry_after), LIST_RETRY.longest)
                    log.info("a live list could not be read: %s", error.code)
                    self._show()
                except Exception:
                    self._wanted, wait = self._wanted or whole, LIST_RETRY.longest
                    log.exception("a live list could not be read for a reason that was not foreseen")
        finally:
            self._task, self._patient = None, False

    async def _hurried(self, seconds: float) -> bool:
        # Waits; answers whether something came between that makes a longer wait needless.
        self._hurry.clear()
        if seconds <= 0:
            return False
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return False
        return seconds > EVERY


class _Reader(Generic[K]):
    """The changes of a list, as they are taken."""

    def __init__(self, live: LiveList[K]) -> None:
        self._live = live
        self._changes: deque[Change[K]] = deque()
        self._behind = False
        self._changed = asyncio.Event()

    def put(self, change: Change[K]) -> None:
        """Keep a change until it is taken."""
        if not self._behind:
            self._changes.append(change)
            if len(self._changes) > MAX_WAITING:
                self._changes.clear()
                self._behind = True
        self._changed.set()

    def wake(self) -> None:
        """The list was closed."""
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
