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
        states: each app state that was reported, in order.
        told: the changes among them (a client begins in the foreground), and each network that was reported.
        threads: the names of the threads that reported.
    """

    def __init__(self) -> None:
        self.states: list[str] = []
        self.told: list[str] = []
        self.threads: list[str] = []

    def set_app_state(self, state: str, *, reason: str = "app") -> None:
        if state != (self.states or ["foreground"])[-1]:
            self.told.append(state)
        self.states.append(state)
        self.threads.append(threading.current_thread().name)

    def set_network(self, network: str) -> None:
        self.told.append(network)


class RecordingLoopClient:
    """A client on the running event loop. Its socket says goodbye when the test says so.

    Attributes:
        told: notifications, in order, without those that change nothing; reasons without the number that a watch adds.
    """

    def __init__(self, *, says_goodbye: bool = True) -> None:
        self.told: list[Any] = []
        self.error: Exception | None = None
        self.goodbye = asyncio.Event()
        if says_goodbye:
            self.goodbye.set()
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
            self.note((state, reason.rstrip("0123456789").rstrip()))

    def set_network(self, network: str) -> None:
        if self.error is not None:
            raise self.error
        self.note(network)

    async def wait_disconnected(self, timeout: float | None = None) -> None:
        async with asyncio.timeout(timeout):
            await self.goodbye.wait()

    def note(self, what: Any) -> None:
        self.told.append(what)
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, *told: Any) -> None:
        """Wait until exactly these notifications have arrived."""
        async with asyncio.timeout(20):
            while self.told != list(told):
                await self._changed.wait()


class RecordingThreadClient:
    """A client with an event loop in a thread of its own, as `tailwire.sync.Client` is one."""

    def __init__(self) -> None:
        self._thread = LoopThread("a client's loop")
        self.inner = self._thread.call(self._made())
        self._loop = self._thread._loop

    def event_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    async def _made(self) -> RecordingLoopClient:
        return RecordingLoopClient()

    def set_app_state(self, state: str, *, reason: str = "app") -> None:
        self._loop.call_soon_threadsafe(lambda: self.inner.set_app_state(state, reason=reason))

    def set_network(self, network: str) -> None:
        self._loop.call_soon_threadsafe(self.inner.set_network, network)

    def start(self, call: str, *arguments: Any, **named: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(getattr(self.inner, call)(*arguments, **named), self._loop)

    def until(self, *told: Any) -> None:
        """Wait until exactly these notifications have arrived."""
        self._thread.call(self.inner.until(*told))

    def close(self) -> None:
        self._thread.stop()
