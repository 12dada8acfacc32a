"""Calls the app, one callback after the other, in order, off the read path (K4).

The task that does so exists only while there is something to do. When the queue is full, reading stops.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

log = logging.getLogger("tailwire")

MAX_QUEUED = 1000
PATIENCE = 5.0


class Queue:
    """The callbacks that are still to be called."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._entries: deque[object] = deque()
        self._task: asyncio.Task[None] | None = None
        self._room: asyncio.Event | None = None
        self._held = self._closed = False

    def start(self, handle: Callable[[object], Awaitable[None]], idle: Callable[[], None]) -> None:
        """Begin to call the app.

        Args:
            handle: calls the app with one entry; may raise.
            idle: called when all entries are done.
        """
        self._handle = handle
        self._idle = idle

    def hold(self) -> None:
        """Call nothing until `release()`; the callback that runs comes to its end."""
        self._held = True

    def release(self) -> None:
        """Go on. Whoever calls this is not interrupted: the first callback comes when it waits for something."""
        self._held = False
        self._go_on()

    def forget(self, kept: Callable[[object], bool]) -> None:
        """Forget the entries that are not kept: they are of a session that is over."""
        left = [entry for entry in self._entries if kept(entry)]
        self._entries.clear()
        self._entries.extend(left)

    def put(self, entry: object) -> None:
        """Add an entry. Nothing after `close()`."""
        if self._closed:
            return
        self._entries.append(entry)
        self._go_on()

    def _go_on(self) -> None:
        if self._task is None and self._entries and not self._held and not self._closed:
            self._task = self._loop.create_task(self._run(), name="tailwire callbacks")

    @property
    def empty(self) -> bool:
        """Whether all entries are done."""
        return self._task is None and not self._entries

    def room(self) -> Awaitable[object] | None:
        """None while there is room, else what to wait for."""
        if len(self._entries) < MAX_QUEUED:
            return None
        if self._room is None:
            self._room = asyncio.Event()
        return self._room.wait()

    async def _run(self) -> None:
        entries, handle = self._entries, self._handle
        while entries and not self._held:
            entry = entries.popleft()
            try:
                await handle(entry)
            except asyncio.CancelledError:
                if self._task is None or self._task.cancelling():
                    raise
                log.exception("a listener waited for something that was cancelled")
            except Exception:
                log.exception("a listener raised")
            if self._room is not None and len(entries) <= MAX_QUEUED // 2:
                self._room.set()
                self._room = None
        self._task = None
        if not self._closed and not entries:  # else what is left has not been handed over
            self._idle()

    async def close(self) -> None:
        """Call nothing more; wait some seconds for the end of the callback that runs, unless it is the one that closes.

        One that does not end is cancelled.
        """
        self._closed = True
        self._entries.clear()
        if self._room is not None:
            self._room.set()
        task = self._task
        if task is not None and task is not asyncio.current_task():
            _, late = await asyncio.wait([task], timeout=PATIENCE)
            if late:
                task.cancel()
                await asyncio.wait(late)
