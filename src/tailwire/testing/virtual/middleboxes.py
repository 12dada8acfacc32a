"""Middleboxes between a device and the server: captive portals and proxies.

For `Network.middleboxes` a middlebox is a function. It takes the factory of the server's protocols, or None while the
server does not listen, and returns the factory to use in its place, or None to refuse the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailwire.testing.virtual.network import Network

Factory = Callable[[], Any]
"""Returns a new asyncio protocol for a connection."""
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
"""Responses of a captive portal to every request, by kind."""

BUSY = _answer("503 Service Unavailable", b"<html><body>Maintenance</body></html>", "Retry-After: 3600")
"""Response of a proxy whose backend is down."""

REFUSALS = {
    426: _answer("426 Upgrade Required", b"<html><body>No WebSockets here.</body></html>"),
    403: _answer("403 Forbidden", b"<html><body>Blocked by the administrator.</body></html>"),
    200: _answer("200 OK"),
}
"""Responses of a proxy that refuses upgrades, by status."""


_ERROR = b'{"error": {"code": "%b", "message": "upstream failed"}}'
GATEWAYS = {
    "408": _answer("408 Request Timeout"),
    "500": _answer("500 Internal Server Error"),
    "500 with a code": _answer("500 Internal Server Error", _ERROR % b"ERR_BAD_REQUEST", kind="application/json"),
    "502": _answer("502 Bad Gateway", b'{"error": {"code": "BAD_GATEWAY"}}', kind="application/json"),
    "504 with a code": _answer("504 Gateway Timeout", _ERROR % b"ERR_GATEWAY_TIMEOUT", kind="application/json"),
    "520": _answer("520 Unknown Error"),
    "524": _answer("524 A Timeout Occurred", b""),
    "page": _answer("200 OK"),
    "empty": _answer("200 OK", b"", kind="application/json"),
    "cut": _answer("200 OK", b'{"data": {"id": "1", "mu', kind="application/json"),
    "json": _answer("200 OK", b'{"message": "accepted"}', kind="application/json"),
    "nothing stored": _answer("200 OK", b'{"data": {}}', kind="application/json"),
    "too many": _answer("429 Too Many Requests", b'{"error": {"code": "RATE_LIMITED"}}', kind="application/json"),
}
"""Responses of a gateway, by kind. It sends them in place of the server's, when the server has handled the request."""


class _FirstRequest(asyncio.Protocol):
    # Collects the head of a connection's first request.
    def __init__(self) -> None:
        self._read = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        if b"\r\n\r\n" in self._read:
            self.on_request(self._read)

    def on_request(self, request: bytes) -> None:
        """Handle the first request, once its head is complete; `request` contains all bytes so far."""
        raise NotImplementedError

    def respond(self, response: bytes) -> None:
        """Respond and close."""
        self._transport.write(response)
        self._transport.close()


class Responder(_FirstRequest):
    """Answers the first request of each connection with the same response, and closes the connection."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self._answer = answer

    def on_request(self, request: bytes) -> None:
        """Send the response."""
        self.respond(self._answer)


class UpgradeRefuser(_FirstRequest):
    """Responds to a WebSocket upgrade by itself, and passes a connection with another first request to the server.

    Args:
        answer: the response to an upgrade.
        behind: the factory of the server's protocols.
    """

    def __init__(self, answer: bytes, behind: Factory) -> None:
        super().__init__()
        self._answer = answer
        self._behind = behind

    def on_request(self, request: bytes) -> None:
        """Respond to an upgrade and close the connection, or let the server's protocol take over the connection."""
        head = request.partition(b"\r\n\r\n")[0].lower()
        if b"\r\nupgrade: websocket" in head:
            self.respond(self._answer)
            return
        server = self._behind()
        self._transport.set_protocol(server)
        server.connection_made(self._transport)
        server.data_received(request)


class _ReplacedTransport:
    # The transport for the server's protocol on a connection whose response is replaced.
    def __init__(self, transport: Any, answer: bytes) -> None:
        self._transport = transport
        self._answer = answer
        self._written = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Collect the server's response; when it is complete, send the replacement."""
        self._written += data
        head, end, body = self._written.partition(b"\r\n\r\n")
        size = next((int(v) for k, _, v in headers_of(head) if k == b"content-length"), 0)
        if end and len(body) >= size and not self._transport.is_closing():
            self._transport.write(self._answer)
            self._transport.close()

    def writelines(self, pieces: Iterable[bytes]) -> None:
        """Collect the server's response, as `write` does."""
        self.write(b"".join(pieces))


def headers_of(head: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Return the headers of the head of a request or response: for each its name, `: ` and its value, in lower case."""
    return [line.lower().partition(b": ") for line in head.split(b"\r\n")[1:]]


class ResponseReplacer(_FirstRequest):
    """Passes the first request of a connection to the server, and sends another response than the server's.

    Then it closes the connection. A connection whose first request is a WebSocket upgrade passes unchanged.

    Args:
        answer: the response to send.
        behind: the factory of the server's protocols.
    """

    def __init__(self, answer: bytes, behind: Factory) -> None:
        super().__init__()
        self._answer = answer
        self._server = behind()
        self._passes = False

    def on_request(self, request: bytes) -> None:
        """Pass the first request to the server."""
        upgrade = b"\r\nupgrade: websocket" in request.partition(b"\r\n\r\n")[0].lower()
        self._passes = True
        if upgrade:
            self._transport.set_protocol(self._server)
        self._server.connection_made(self._transport if upgrade else _ReplacedTransport(self._transport, self._answer))
        self._server.data_received(request)

    def data_received(self, data: bytes) -> None:
        """Pass the client's data to the server; until the head of the first request is complete, collect it."""
        if self._passes:
            self._server.data_received(data)
        else:
            super().data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        """Notify the server that the client's connection has ended."""
        if self._passes:
            self._server.connection_lost(error)


def gateway(kind: str) -> Callable[[Factory | None], Factory | None]:
    """Return a middlebox: a gateway that replaces the server's responses by `GATEWAYS[kind]`."""
    return lambda behind: None if behind is None else lambda: ResponseReplacer(GATEWAYS[kind], behind)


def portal(kind: str) -> Callable[[Factory | None], Factory]:
    """Return a middlebox: a captive portal that responds to every request with `PORTALS[kind]`."""
    return lambda behind: lambda: Responder(PORTALS[kind])


def busy_proxy() -> Callable[[Factory | None], Factory]:
    """Return a middlebox: a proxy that responds to every request with 503 and a long `Retry-After`."""
    return lambda behind: lambda: Responder(BUSY)


def refusing_proxy(status: int) -> Callable[[Factory | None], Factory | None]:
    """Return a middlebox: a proxy that responds to WebSocket upgrades with `REFUSALS[status]`, and passes the rest."""
    return lambda behind: None if behind is None else lambda: UpgradeRefuser(REFUSALS[status], behind)


class IdleKiller:
    """Ends connections that are idle for too long, as many proxies and routers do, until `stop`.

    It uses a single timer, and none while there are no connections.

    Args:
        network: the network of the connections.
        name: the device whose connections are ended; "" for all devices.
        seconds: how long a connection may be idle.
        silently: how a connection is ended: True if both ends stay open but receive nothing from then on, as behind a
            router that has forgotten the connection; False if both are reset.
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
        """End connections that have been idle for too long, and set the timer for the next one."""
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
        """Stop ending idle connections."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
