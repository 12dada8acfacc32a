"""A clock for the clients of a test. The test advances it, or simulates that the device slept."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tailwire.sdk.io.traffic import not_counted
from tailwire.sdk.io.world import Timer, Wire, World

MAX_RESPONSE_SECONDS = 0.5
"""Real seconds to wait for the server's pending responses. If they take longer, `advance` continues without them."""
_REQUEST_MARKERS = ('"action":"ping"', '"type": "auth"')


class _Timer:
    # A client's timer on this clock.

    def __init__(self, clock: AppClock, due: float, callback: Callable[[], None]) -> None:
        self.due = due
        self._callback, self._clock = callback, clock
        self._arm()

    def _arm(self) -> None:
        delay = max(0.0, self.due - self._clock.now())
        self._handle = asyncio.get_running_loop().call_later(delay, self.fire)

    def arm_again(self) -> None:
        self._handle.cancel()
        self._arm()

    def fire(self) -> None:
        self.cancel()
        self._callback()

    def cancel(self) -> None:
        self._handle.cancel()
        self._clock.timers.pop(self, None)


class _WatchedWire:
    # A WebSocket that reports to the clock while a response to a ping or an authentication is pending.

    def __init__(self, wire: Wire, clock: AppClock) -> None:
        self._wire, self._clock = wire, clock
        self._requests = 0

    async def send(self, text: str) -> None:
        if any(word in text for word in _REQUEST_MARKERS):
            self._requests += 1
            self._clock.pending_responses += 1
        await self._wire.send(text)

    def _response_received(self) -> None:
        self._clock.answered(self._requests)
        self._requests = 0

    async def receive(self) -> str | bytes:
        try:
            return await self._wire.receive()
        finally:
            self._response_received()

    def reader(self) -> Callable[[], Awaitable[str | bytes]]:
        read = self._wire.reader()

        async def receive() -> str | bytes:
            try:
                return await read()
            finally:
                self._response_received()

        return receive

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wire, name)


class AppClock(World):
    """What a test's clients get from the outside world: real sockets, and a clock that the test controls.

    The clock also runs in real time; `advance` and `sleep` add to it. Call them in the event loop of the clients.

    ```python
    chat = ChatClient(server.app_id, settings, world=app_clock)
    ...
    await app_clock.advance(3600)   # heartbeats and retries happen on the way
    app_clock.sleep(3600)           # the device slept: overdue timers fire late
    ```
    """

    def __init__(self) -> None:
        self._ahead = 0.0
        self._quiet = asyncio.Event()
        self.timers: dict[_Timer, None] = {}
        self.pending_responses = 0

    def now(self) -> float:
        """Return the seconds of this clock, including `sleep`; its origin is arbitrary."""
        return super().now() + self._ahead

    def wall(self) -> float:
        """Return seconds since 1970: the real time, plus all seconds of `advance` and `sleep`."""
        return super().wall() + self._ahead

    async def advance(self, seconds: float) -> None:
        """Advance the clock, and fire the clients' timers in order, each at the time when it is due.

        Before each timer and at the end, pending responses of the server are awaited in real time, for at most
        `MAX_RESPONSE_SECONDS` at once.
        """
        end = self.now() + seconds
        with self._timers_follow():
            while True:
                await self._until_answered()
                timer = min(
                    (timer for timer in self.timers if timer.due <= end),
                    key=lambda timer: timer.due,
                    default=None,
                )
                if timer is None:
                    break
                self._ahead += max(0.0, timer.due - self.now())
                timer.fire()
            self._ahead += max(0.0, end - self.now())

    def sleep(self, seconds: float) -> None:
        """Advance the clock at once, as if the device had slept; then fire the timers that became due meanwhile.

        They fire in the order in which they were due, before this method returns. Responses are not awaited.
        """
        with self._timers_follow():
            self._ahead += seconds
            due = [timer for timer in self.timers if timer.due <= self.now()]
            for timer in sorted(due, key=lambda timer: timer.due):
                if timer in self.timers:  # not cancelled by one that fired before it
                    timer.fire()

    @contextmanager
    def _timers_follow(self) -> Iterator[None]:
        # The other timers run in real time from here on: they are due sooner by what the clock was advanced.
        try:
            yield
        finally:
            for timer in self.timers:
                timer.arm_again()

    # Used by clients.

    def timer(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Start a timer that calls a function once, after this many seconds of this clock, and return it."""
        timer = _Timer(self, self.now() + seconds, callback)
        self.timers[timer] = None
        return timer

    async def open_wire(
        self,
        url: str,
        headers: Mapping[str, str],
        tls: ssl.SSLContext | None,
        proxy: str | None = None,
        moved: Callable[[], None] = not_counted,
    ) -> Wire:
        """Open a WebSocket as `World` does, and count its pending responses, so that `advance` awaits them."""
        with self._pending_response():
            return _WatchedWire(await super().open_wire(url, headers, tls, proxy, moved), self)

    def http_client(self, tls: ssl.SSLContext | None, proxy: str | None = None) -> Any:
        """Return an `httpx2.AsyncClient` whose pending responses are counted, so that `advance` awaits them."""
        client = super().http_client(tls, proxy)
        send = client.send

        async def send_and_count(*args: Any, **more: Any) -> Any:
            with self._pending_response():
                response = await send(*args, **more)
                self.pending_responses += 1  # until its body is read or abandoned
            close = response.aclose

            async def aclose() -> None:
                response.aclose = close
                self.answered(1)
                await close()

            response.aclose = aclose
            return response

        client.send = send_and_count
        return client

    @contextmanager
    def _pending_response(self) -> Iterator[None]:
        self.pending_responses += 1
        try:
            yield
        finally:
            self.answered(1)

    def answered(self, count: int) -> None:
        """Record that `count` pending responses arrived or will not arrive. Called by the sockets of this clock."""
        self.pending_responses = max(0, self.pending_responses - count)
        if not self.pending_responses:
            self._quiet.set()

    async def _until_answered(self) -> None:
        # Twice, because a response may lead to another request.
        for _ in range(2):
            await asyncio.sleep(0)
            if self.pending_responses:
                self._quiet.clear()
                try:
                    async with asyncio.timeout(MAX_RESPONSE_SECONDS):
                        await self._quiet.wait()
                except TimeoutError:
                    self.pending_responses = 0
