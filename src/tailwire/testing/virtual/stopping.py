"""A virtual event loop that can stop and continue simulated processes, as by SIGSTOP and SIGCONT, while others run."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextvars import Context
from typing import Any

from tailwire.testing.virtual.loop import VirtualLoop
from tailwire.testing.virtual.network import current_process


def _process_of(handle: asyncio.Handle) -> str:
    context: Context = handle._context  # type: ignore[attr-defined]
    return context.get(current_process, "")


def _do_nothing() -> None: ...


class StoppingLoop(VirtualLoop):
    """A virtual loop that can stop a simulated process (see `current_process`).

    While a process is stopped, none of its callbacks and timers runs. When it continues, the callbacks that became
    ready meanwhile run first, then the timers that became due.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stopped: dict[str, list[asyncio.Handle]] = {}  # what waits for the process to continue
        # Takes the place of a handle that is removed from the ready ones, whose number must not change: the loop counts
        # them before it runs them.
        self._empty = asyncio.Handle(_do_nothing, (), self)
        self._empty.cancel()

    def stop_process(self, process: str) -> None:
        """Stop a process. Does nothing if it is stopped already."""
        if process in self._stopped:
            return
        ready: Any = self._ready  # type: ignore[attr-defined]
        held: list[asyncio.Handle] = []
        for place, handle in enumerate(ready):
            if not handle.cancelled() and _process_of(handle) == process:
                held.append(handle)
                ready[place] = self._empty
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        mine = sorted((h for h in timers if _process_of(h) == process), key=lambda h: h.when())
        timers[:] = [h for h in timers if _process_of(h) != process]
        heapq.heapify(timers)
        self._stopped[process] = held
        for handle in mine:
            self._hold(process, handle)

    def _hold(self, process: str, handle: asyncio.Handle) -> None:
        if isinstance(handle, asyncio.TimerHandle):
            handle._scheduled = False  # type: ignore[attr-defined]
        self._stopped[process].append(handle)

    def process_of(self, task: asyncio.Future[Any] | None) -> str:
        """Return the process of a task; "" if it is not known."""
        return self._processes.get(task, "") if isinstance(task, asyncio.Task) else ""

    def is_stopped(self, process: str) -> bool:
        """Return whether a process is stopped."""
        return process in self._stopped

    def continue_process(self, process: str) -> None:
        """Continue a process. Does nothing if it is not stopped."""
        for handle in self._stopped.pop(process, ()):
            if handle.cancelled():
                continue
            if isinstance(handle, asyncio.TimerHandle):
                handle._scheduled = True  # type: ignore[attr-defined]
                heapq.heappush(self._scheduled, handle)  # type: ignore[attr-defined]
            else:
                self._ready.append(handle)  # type: ignore[attr-defined]

    def continue_all(self) -> None:
        """Continue all processes."""
        for process in list(self._stopped):
            self.continue_process(process)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule a callback, as asyncio does; it waits while its process is stopped."""
        handle = super().call_soon(callback, *args, context=context)
        if self._stopped and (process := _process_of(handle)) in self._stopped:
            self._ready.pop()  # type: ignore[attr-defined]
            self._hold(process, handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Schedule a callback at a time, as asyncio does; it waits while its process is stopped."""
        handle = super().call_at(when, callback, *args, context=context)
        if self._stopped and (process := _process_of(handle)) in self._stopped and not handle.cancelled():
            self._scheduled.remove(handle)  # type: ignore[attr-defined]
            heapq.heapify(self._scheduled)  # type: ignore[attr-defined]
            self._hold(process, handle)
        return handle
