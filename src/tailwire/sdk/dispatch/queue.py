"""The bounded queue between the socket's reader and the app, so that slow callbacks do not block the reader (K4).

One task calls the app for the entries, one after the other. It exists only while the queue has entries. While the queue
is full, the reader pauses.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from tailwire.sdk.dispatch.calling import log_cancellation

log = logging.getLogger("tailwire")

MAX_QUEUED_ENTRIES = 1000
CLOSE_TIMEOUT_SECONDS = 5.0


class EventQueue:
    """The entries that are still to be handed over to the app."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._entries: deque[object] = deque()
        self._task: asyncio.Task[None] | None = None
        self._has_capacity: asyncio.Event | None = None
        self._held = self._closed = False

    def start(self, handle: Callable[[object], Awaitable[None]], idle: Callable[[], None]) -> None:
        """Set the functions that the queue calls. Call it once, before the first `put()`.

        Args:
            handle: hands one entry over to the app. An exception that it raises is logged.
            idle: called whenever the queue has become empty, after its last entry was handed over.
        """
        self._handle = handle
        self._idle = idle

    def hold(self) -> None:
        """Pause handing over, after the entry that is being handed over now. `put()` still adds entries."""
        self._held = True

    def release(self) -> None:
        """Resume after `hold()`. The next callback runs once the caller yields to the event loop."""
        self._held = False
        self._start()

    def keep_only(self, kept: Callable[[object], bool]) -> None:
        """Drop the entries for which `kept` returns False, because they belong to a session that has ended."""
        left = [entry for entry in self._entries if kept(entry)]
        self._entries.clear()
        self._entries.extend(left)

    def put(self, entry: object) -> None:
        """Add an entry, even if the queue is full: see `capacity()`. Does nothing after `close()`."""
        if self._closed:
            return
        self._entries.append(entry)
        if self._task is None:
            self._start()

    def _start(self) -> None:
        if self._task is None and self._entries and not self._held and not self._closed:
            self._task = self._loop.create_task(self._run(), name="tailwire callbacks")

    @property
    def empty(self) -> bool:
        """Whether no entry is waiting or being handed over."""
        return self._task is None and not self._entries

    @property
    def runs_here(self) -> bool:
        """Whether the caller runs in the task that calls the app: it is called by a listener."""
        return self._task is not None and self._task is asyncio.current_task()

    def capacity(self) -> Awaitable[object] | None:
        """Return None if the queue has capacity, else an awaitable that ends when it is half empty or closed."""
        if len(self._entries) < MAX_QUEUED_ENTRIES:
            return None
        if self._has_capacity is None:
            self._has_capacity = asyncio.Event()
        return self._has_capacity.wait()

    async def _run(self) -> None:
        entries, handle = self._entries, self._handle
        while entries and not self._held:
            entry = entries.popleft()
            try:
                await handle(entry)
            except asyncio.CancelledError:
                log_cancellation("handling", type(entry).__name__)
            except Exception:
                log.exception("handling %s raised", type(entry).__name__)
            if self._has_capacity is not None and len(entries) <= MAX_QUEUED_ENTRIES // 2:
                self._has_capacity.set()
                self._has_capacity = None
        self._task = None
        if not self._closed and not entries:  # else the rest has not been handed over
            self._idle()

    async def close(self, *, wait: bool = True) -> None:
        """Drop all entries, and wait for the running callback.

        Args:
            wait: whether to wait: not for a callback that waits for the end of this. One that takes longer than
                `CLOSE_TIMEOUT_SECONDS` is cancelled.
        """
        self._closed = True
        self._entries.clear()
        if self._has_capacity is not None:
            self._has_capacity.set()
        task = self._task
        if task is not None and wait:
            _, late = await asyncio.wait([task], timeout=CLOSE_TIMEOUT_SECONDS)
            if late:
                task.cancel()
                await asyncio.wait(late)
