"""Clients that record what a watch reports: a plain one, one on the running event loop, one with a loop in a thread."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

from tailwire.testing.loop_thread import LoopThread


class RecordingClient:
    """A client without an event loop, called directly by the watch.

    Attributes:
        states: each reported app state, in order.
        reported: the changes among them (a client starts in the foreground), and each reported network.
        threads: the names of the reporting threads.
    """

    def __init__(self) -> None:
        self.states: list[str] = []
        self.reported: list[str] = []
        self.threads: list[str] = []

    def set_app_state(self, state: str, *, reason: str = "app") -> None:
        if state != (self.states or ["foreground"])[-1]:
            self.reported.append(state)
        self.states.append(state)
        self.threads.append(threading.current_thread().name)

    def set_network(self, network: str) -> None:
        self.reported.append(network)


class RecordingLoopClient:
    """A client on the running event loop. Its socket closes when the test sets `closed_event`.

    Attributes:
        reported: what was reported, in order, without repetitions; reasons without the number that a watch adds.
    """

    def __init__(self, *, closes: bool = True) -> None:
        self.reported: list[Any] = []
        self.error: Exception | None = None
        self.closed_event = asyncio.Event()
        if closes:
            self.closed_event.set()
        self._background: set[str] = set()
        self._changed = asyncio.Event()

    def event_loop(self) -> asyncio.AbstractEventLoop:
        if self.error is not None:
            raise self.error
        return asyncio.get_running_loop()

    def set_app_state(self, state: str, *, reason: str = "app") -> None:
        if self.error is not None:
            raise self.error
        if (state == "background") is not (reason in self._background):
            (self._background.add if state == "background" else self._background.discard)(reason)
            self.record((state, reason.rstrip("0123456789").rstrip()))

    def set_network(self, network: str) -> None:
        if self.error is not None:
            raise self.error
        self.record(network)

    async def wait_disconnected(self, timeout: float | None = None) -> None:
        async with asyncio.timeout(timeout):
            await self.closed_event.wait()

    def record(self, what: Any) -> None:
        self.reported.append(what)
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, *expected: Any) -> None:
        """Wait until exactly these notifications have arrived, in this order."""
        async with asyncio.timeout(20):
            while self.reported != list(expected):
                await self._changed.wait()


class RecordingThreadClient:
    """A client with an event loop in a thread of its own, like `tailwire.sync.Client`."""

    def __init__(self) -> None:
        self._thread = LoopThread("a client's loop")
        self.inner = self._thread.call(self._make())
        self._loop = self._thread._loop

    def event_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    async def _make(self) -> RecordingLoopClient:
        return RecordingLoopClient()

    def set_app_state(self, state: str, *, reason: str = "app") -> None:
        self._loop.call_soon_threadsafe(lambda: self.inner.set_app_state(state, reason=reason))

    def set_network(self, network: str) -> None:
        self._loop.call_soon_threadsafe(self.inner.set_network, network)

    def start(self, call: str, *arguments: Any, **named: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(getattr(self.inner, call)(*arguments, **named), self._loop)

    def until(self, *expected: Any) -> None:
        """Wait until exactly these notifications have arrived, in this order."""
        self._thread.call(self.inner.until(*expected))

    def close(self) -> None:
        self._thread.stop()
