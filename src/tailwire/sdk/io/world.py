"""Time, random numbers and sockets behind one class, so that a test or a simulation can replace them."""

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
from tailwire.sdk.exceptions import failure
from tailwire.sdk.io import clock
from tailwire.sdk.io.tls import context_for, default_context
from tailwire.sdk.io.traffic import not_counted


def _load() -> None:
    import tailwire.sdk.io.http_transport
    import tailwire.sdk.io.websocket  # noqa: F401

    default_context()


async def _supports_sockets(loop: asyncio.AbstractEventLoop) -> bool:
    # Without an address, a loop that supports sockets raises at once and opens nothing.
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
        """Send a text message.

        Args:
            text: a whole frame.

        Raises:
            tailwire.sdk.io.failures.WireClosed: if the socket has ended.
        """

    async def receive(self) -> str | bytes:
        """Return the next message.

        Raises:
            tailwire.sdk.io.failures.WireClosed: if the socket has ended.
        """

    def reader(self) -> Callable[[], Awaitable[str | bytes]]:
        """Return a function that works like `receive`, but faster, for a loop that reads all messages.

        It may raise other exceptions than `receive` when the socket has ended; `cause_of_end` recognises them.
        """

    def cause_of_end(self, error: Exception) -> Cause | None:
        """Return why the socket ended; None if the exception does not mean that it ended.

        Args:
            error: an exception of the function that `reader` returned.
        """

    async def close(self, code: int) -> None:
        """Close with a close frame, wait up to 0.5 s for the peer's close frame, then drop the connection.

        Args:
            code: a close code of RFC 6455.
        """

    def abort(self) -> None:
        """Drop the connection without a close frame."""


class Timer(Protocol):
    """The result of `World.timer`."""

    def cancel(self) -> None:
        """Cancel the timer: its callback will not be called."""


def this_world() -> World:
    """Return the environment of the SDK: a web page, or a process with sockets and files."""
    if sys.platform == "emscripten":
        from tailwire.sdk.io.browser_world import BrowserWorld

        return BrowserWorld()
    return World()


class World:
    """The environment of a process with sockets and files.

    Attributes:
        sees_uploads: whether the progress of an upload is visible before its response.
    """

    sees_uploads = True

    def now(self) -> float:
        """Return seconds on a clock that runs while the device sleeps."""
        return clock.seconds()

    def wall(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def timer(self, seconds: float, ring: Callable[[], None]) -> Timer:
        """Call a function after `seconds` by the clock of `now()`.

        Args:
            seconds: the delay; at least 0.
            ring: the function, called in the event loop.
        """
        return asyncio.get_running_loop().call_later(seconds, ring)

    def chance(self) -> float:
        """Return a random number in [0, 1)."""
        return random.random()

    def unique(self) -> str:
        """Return a new UUID as text."""
        return str(uuid.uuid4())

    async def prepare(self) -> None:
        """Import the libraries that the first request needs, in a thread, because that takes tenths of a second.

        Raises:
            ValueError: if the running event loop does not support sockets.
            CometChatException: `ERR_CHAT_API_FAILURE` if the system cannot load them, such as because too many files
                are open.
        """
        loop = asyncio.get_running_loop()
        if not await _supports_sockets(loop):
            raise ValueError(
                f"the event loop ({type(loop).__name__}) does not support sockets; in a Qt app use "
                "tailwire.sync.Client(…, post=post_qt()), or qasync in place of PySide6.QtAsyncio"
            )
        if "httpx2" not in sys.modules or default_context.cache_info().currsize == 0:
            try:
                await asyncio.to_thread(_load)
            except OSError as e:  # this may pass
                words = f"The libraries of the SDK cannot be loaded ({e}). Try again."
                raise failure("ERR_CHAT_API_FAILURE", words) from e

    def check_settings(self, *, tls: object, proxy: str | None, ca_file: str) -> None:
        """Raise if this environment does not support one of the connection settings of an app.

        Args:
            tls: the app's own context, or None.
            proxy: the argument of `open_wire`.
            ca_file: certificates to trust instead of the system's; "" for the system's.

        Raises:
            ValueError: if this environment does not support one of them.
        """

    def session_store(self) -> Any:
        """Return the default session store."""
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
            url: the URL, with the scheme `ws` or `wss`.
            headers: the headers to send with the upgrade request.
            tls: the app's own context, or None.
            proxy: the address of the app's own proxy; "" for no proxy; None for that of the environment or the system.
            moved: called when the connection is made, and whenever bytes are received.

        Raises:
            tailwire.sdk.io.failures.AttemptError: if it cannot be opened.
        """
        from tailwire.sdk.io.websocket import open_wire

        return await open_wire(url, headers, tls, proxy, moved)

    def http_client(self, tls: ssl.SSLContext | None, proxy: str | None = None) -> Any:
        """Return an `httpx2.AsyncClient`; the arguments are those of `open_wire`."""
        import httpx2

        from tailwire.sdk.io.http_transport import ProxiedTransport

        limits = httpx2.Limits(max_connections=20, max_keepalive_connections=4, keepalive_expiry=60)
        transport = ProxiedTransport(context_for(tls), proxy, limits)
        # The transport chooses the proxy and the context reads SSL_CERT_FILE; nothing else of the environment is used.
        return httpx2.AsyncClient(transport=transport, timeout=httpx2.Timeout(15.0, connect=8.0), trust_env=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """How this client identifies itself to the server.

    Attributes:
        app_id: the id of the app.
        resource: a name of this client, by which the server tells several clients of one user apart.
    """

    app_id: str
    resource: str
