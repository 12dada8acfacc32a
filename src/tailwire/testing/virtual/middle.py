"""What stands between a device and the server: portals and proxies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailwire.testing.virtual.network import Network

Factory = Callable[[], Any]
HTML = b"<html><body>Please sign in to use this network.</body></html>"


def _answer(status: str, body: bytes = HTML, *headers: str, kind: str = "text/html") -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close")
    return "\r\n".join((*lines, *headers, "", "")).encode() + body


PORTALS = {
    "redirect": _answer("302 Found", b"", "Location: http://portal.example/sign-in"),
    "page": _answer("200 OK"),
    "511": _answer("511 Network Authentication Required"),
    "broken gzip": _answer("200 OK", HTML, "Content-Encoding: gzip"),
    "json": _answer("200 OK", b'{"status": "sign in first"}', kind="application/json"),
}
"""What a captive portal answers to every request, by its kind."""

BUSY = _answer("503 Service Unavailable", b"<html><body>Maintenance</body></html>", "Retry-After: 3600")
"""What a proxy answers while it has no server behind it."""

REFUSALS = {
    426: _answer("426 Upgrade Required", b"<html><body>No WebSockets here.</body></html>"),
    403: _answer("403 Forbidden", b"<html><body>Blocked by the administrator.</body></html>"),
    200: _answer("200 OK"),
}
"""What a proxy answers to an upgrade that it refuses, by its status."""


class _Waiting(asyncio.Protocol):
    # Reads the head of the first request.
    def __init__(self) -> None:
        self._read = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        if b"\r\n\r\n" in self._read:
            self.asked(self._read)

    def asked(self, request: bytes) -> None:
        """The head has come, and perhaps more."""
        raise NotImplementedError

    def answer(self, answer: bytes) -> None:
        """Answer, and end."""
        self._transport.write(answer)
        self._transport.close()


class Answering(_Waiting):
    """Answers every request itself, always with the same."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self._answer = answer

    def asked(self, request: bytes) -> None:
        """Answer whatever was asked."""
        self.answer(self._answer)


class Refusing(_Waiting):
    """Refuses upgrades; every other request goes to the server behind it, and all that follows on its connection."""

    def __init__(self, answer: bytes, behind: Factory) -> None:
        super().__init__()
        self._answer = answer
        self._behind = behind

    def asked(self, request: bytes) -> None:
        """Look at the first request."""
        head = request.partition(b"\r\n\r\n")[0].lower()
        if b"\r\nupgrade: websocket" in head:
            self.answer(self._answer)
            return
        server = self._behind()
        self._transport.set_protocol(server)
        server.connection_made(self._transport)
        server.data_received(request)


def portal(kind: str) -> Callable[[Factory | None], Factory]:
    """A captive portal, as `Network.middles` takes it."""
    return lambda behind: lambda: Answering(PORTALS[kind])


def busy() -> Callable[[Factory | None], Factory]:
    """A proxy that answers 503 with a long `Retry-After`, as `Network.middles` takes it."""
    return lambda behind: lambda: Answering(BUSY)


def refusing(status: int) -> Callable[[Factory | None], Factory | None]:
    """A proxy that refuses WebSockets, as `Network.middles` takes it."""
    return lambda behind: None if behind is None else lambda: Refusing(REFUSALS[status], behind)


class IdleKiller:
    """A proxy that ends connections on which nothing was written for a while. It has one timer, and none without them.

    Args:
        name: the device whose connections they are; "" for all.
        seconds: how long a connection may be silent.
        silently: nobody is told; else both ends are reset.
    """

    def __init__(self, network: Network, name: str, seconds: float, *, silently: bool) -> None:
        self._network = network
        self._name = name
        self._seconds = seconds
        self._silently = silently
        self._timer: asyncio.TimerHandle | None = None
        for transport in network.of(name):
            transport.moved_at = network.loop.time()
        self.look()

    def look(self) -> None:
        """End what has been silent too long, and set the timer for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = self._network.loop
        alive = [t for t in self._network.of(self._name) if not (t.half_open or t.is_closing())]
        for transport in alive:
            if transport.moved_at + self._seconds <= loop.time():
                if self._silently:
                    transport.half_open = True
                else:
                    transport.broken()
        alive = [t for t in alive if not (t.half_open or t.is_closing())]
        if alive:
            due = min(t.moved_at for t in alive) + self._seconds
            self._timer = Context().run(loop.call_at, due, self.look)

    def stop(self) -> None:
        """Stand in the way no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
