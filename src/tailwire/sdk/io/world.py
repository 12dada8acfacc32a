"""Time, chance and sockets as the SDK uses them, in one place, so that a test or a simulation can decide them."""

from __future__ import annotations

import asyncio
import random
import ssl
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.io import clock
from tailwire.sdk.io.tls import context_for, default_context
from tailwire.sdk.io.traffic import not_counted


def _load() -> None:
    import tailwire.sdk.io.http_transport
    import tailwire.sdk.io.websocket  # noqa: F401

    default_context()


async def _has_sockets(loop: asyncio.AbstractEventLoop) -> bool:
    # A connection to nowhere: a loop that could make one refuses it at once, and opens nothing.
    try:
        await loop.create_connection(asyncio.Protocol)
    except NotImplementedError:
        return False
    except (ValueError, TypeError):
        return True
    return True


class Wire(Protocol):
    """An open WebSocket."""

    async def send(self, text: str) -> None:
        """Send a text message."""

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            tailwire.sdk.io.failures.WireClosed: when the socket has ended.
        """

    def reader(self) -> Callable[[], Awaitable[str | bytes]]:
        """As `receive`, for a loop that reads everything; what it raises is for `cause_of_end`."""

    def cause_of_end(self, error: Exception) -> Cause | None:
        """How the socket ended, from what `reader` raised; None when that is another error."""

    async def close(self, code: int) -> None:
        """Say goodbye, wait a moment for the answer, end."""

    def abort(self) -> None:
        """End without a word."""


class Timer(Protocol):
    """What `World.timer` gives."""

    def cancel(self) -> None:
        """Cancel the timer: its callback will not be called."""


def this_world() -> World:
    """Return the world that the SDK runs in: a web page's, or that of a process with sockets and files."""
    if sys.platform == "emscripten":
        from tailwire.sdk.io.browser_world import BrowserWorld

        return BrowserWorld()
    return World()


class World:
    """The real one: of a process with sockets and files.

    Attributes:
        sees_uploads: whether the network takes an upload piece by piece. Where it does not, nothing is known of it
            until its answer comes.
    """

    sees_uploads = True

    def now(self) -> float:
        """Seconds, on a clock that counts while the machine sleeps."""
        return clock.seconds()

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def timer(self, seconds: float, ring: Callable[[], None]) -> Timer:
        """Call a function in so many seconds of `now()`."""
        return asyncio.get_running_loop().call_later(seconds, ring)

    def chance(self) -> float:
        """A random number in [0, 1)."""
        return random.random()

    def unique(self) -> str:
        """A name that nobody else has."""
        return str(uuid.uuid4())

    async def prepare(self) -> None:
        """Load what the first request needs, in a thread: it takes some tenths of a second the first time.

        Raises:
            ValueError: the running event loop cannot carry sockets.
        """
        loop = asyncio.get_running_loop()
        if not await _has_sockets(loop):
            raise ValueError(
                f"the event loop ({type(loop).__name__}) cannot carry sockets; in a Qt app use "
                "tailwire.sync.Client(…, post=post_qt()), or qasync in place of PySide6.QtAsyncio"
            )
        if "httpx2" not in sys.modules or default_context.cache_info().currsize == 0:
            await asyncio.to_thread(_load)

    def check_settings(self, *, tls: object, proxy: str | None, ca_file: str) -> None:
        """Check what an app decides about connections.

        Args:
            tls: the app's own context, or None.
            proxy: as for `open_wire`.
            ca_file: certificates to trust instead of the system's; "" for the system's.

        Raises:
            ValueError: when that cannot be decided here.
        """

    def session_store(self) -> Any:
        """Return where sessions are kept, when the app has not said where."""
        from tailwire.sdk.io.files import FileSessionStore

        return FileSessionStore()

    async def open_wire(
        self,
        url: str,
        headers: Mapping[str, str],
        tls: ssl.SSLContext | None,
        proxy: str | None = None,
        moved: Callable[[], None] = not_counted,
    ) -> Wire:
        """Open a WebSocket.

        Args:
            tls: the app's own context, or None.
            proxy: the app's own proxy, "" for none at all; None: as the environment or the system says.
            moved: called whenever bytes come in.
        """
        from tailwire.sdk.io.websocket import open_wire

        return await open_wire(url, headers, tls, proxy, moved)

    def http_client(self, tls: ssl.SSLContext | None, proxy: str | None = None) -> Any:
        """An `httpx2.AsyncClient`; the arguments are as for `open_wire`."""
        import httpx2

        from tailwire.sdk.io.http_transport import ProxiedTransport

        limits = httpx2.Limits(max_connections=20, max_keepalive_connections=4, keepalive_expiry=60)
        transport = ProxiedTransport(context_for(tls), proxy, limits)
        # The transport chooses the proxy, and the context knows SSL_CERT_FILE: nothing else of the environment is used.
        return httpx2.AsyncClient(transport=transport, timeout=httpx2.Timeout(15.0, connect=8.0), trust_env=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this client is towards the server.

    Attributes:
        resource: this client instance's own name: two instances with one saved session do not drive each other out.
    """

    app_id: str
    resource: str
