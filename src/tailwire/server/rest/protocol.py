"""uvicorn's HTTP protocol, with limits on the memory and time that an unauthenticated client can use.

uvicorn itself accepts a request head of any length, queues pipelined requests without limit, and times out only
connections that have had a response.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tailwire.server.actions.raw_json import encode
from tailwire.server.limits.acknowledged import acknowledged_bytes
from tailwire.server.limits.forwarded import TrustedProxies
from tailwire.server.limits.slots import Slot
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.whole_responses import WholeResponses

MAX_HEAD_BYTES = 64 * 1024
CHUNK_BYTES = 1024
"""The bytes of request heads that are parsed in one iteration of the event loop."""
BODY_CHUNK_BYTES = 4 * 1024
"""The bytes of a body of unknown length that are parsed at once; they may contain the start of the next request."""
KEEP_ALIVE_SECONDS = 75.0
CLOSES_PER_TURN = 8
"""The maximum number of unused connections that are closed in one iteration of the event loop."""


def _response(status: bytes, refused: Refused) -> bytes:
    # The bytes of a response that this module sends itself, without a handler.
    body = encode({"error": refused.as_error()})
    head = b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
    return head % (status, len(body), body)


HEAD_TOO_LARGE = _response(
    b"431 Request Header Fields Too Large",
    Refused("ERR_TOO_LARGE", f"The head of a request has at most {MAX_HEAD_BYTES} bytes."),
)
BODY_TOO_SLOW = _response(
    b"400 Bad Request",
    Refused("ERR_BAD_REQUEST", "The body stalled or arrived too slowly. Send the request again."),
)
_NO_BYTES = memoryview(b"")


class _Flow(FlowControl):
    """Flow control in which uvicorn, this module, or both may pause reading."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self.held = self._paused = False

    def pause_reading(self) -> None:
        self._paused = True
        super().pause_reading()

    def resume_reading(self) -> None:
        self._paused = False
        if not self.held:
            super().resume_reading()

    def hold(self) -> None:
        """Pause reading until `release`."""
        self.held = True
        super().pause_reading()

    def release(self) -> None:
        """Resume reading, unless uvicorn has paused it."""
        self.held = False
        if not self._paused:
            super().resume_reading()


class HttpProtocol(HttpToolsProtocol):
    """An HTTP connection of the server; created by calling the server's `HttpConnections`.

    Attributes:
        waiting: all connections of the server that wait for a complete request head. The values are the times at which
            they began to wait, on the clock of the event loop; the earliest is the first.
        active: all connections of the server with a request whose body or response is in progress, with such times.
        idle: all connections of the server that have had all their responses and are kept open, with such times.
        proxies: the proxies whose forwarded addresses are trusted.
        proxied_address: the client address from the PROXY protocol; "" without it.
        slot: what the connection occupies of the limit of connections per address; freed when the connection ends.
            None if it is not limited.
    """

    proxied_address = ""
    slot: Slot | None = None
    flow: _Flow
    _head_bytes = -1  # bytes of an incomplete request head after the chunk in which it began; -1 if there is none
    _body_bytes = 0  # bytes received of the current body
    _received_bytes = 0  # bytes received of all requests
    _behind_proxy = False
    _request_began = _upgraded = False
    _unparsed = _NO_BYTES  # input that was read and not parsed yet

    def __init__(
        self,
        registry: HttpConnections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._registry = registry
        self.waiting, self.active, self.idle = registry.waiting, registry.active, registry.idle
        self.proxies = registry.proxies

    # Callbacks of the transport.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Register the connection as one that waits for a request head (asyncio)."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self.waiting[self] = self.loop.time()
        self._behind_proxy = self.client is not None and self.proxies.trusts(self.client[0])
        if self.proxied_address:
            self.client = (self.proxied_address, 0)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from the registry, and free its slot (asyncio)."""
        self._registry.forget(self)
        self._unparsed = _NO_BYTES
        if self.slot is not None:
            self.slot.free()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes (asyncio).

        More than `CHUNK_BYTES` are parsed in chunks, one per iteration of the event loop, so that other connections are
        served meanwhile.
        """
        self.idle.pop(self, None)
        self._received_bytes += len(data)
        if len(data) <= CHUNK_BYTES and not self.flow.held:
            self._parse(data)
            return
        self._unparsed = memoryview(bytes(self._unparsed) + data if self._unparsed else data)
        self.flow.hold()
        if not self.pipeline:
            self._continue()

    def _continue(self) -> None:
        if self.transport.is_closing():
            return
        if self._unparsed:
            self._parse_chunk(CHUNK_BYTES)
        while self._unparsed and (left := self._body_left()):
            self._parse_chunk(left)
        if self._upgraded:
            return
        if not (self._unparsed or self.pipeline):
            self.flow.release()
        elif not self.pipeline:  # else `on_response_complete` continues
            self.loop.call_soon(self._continue)

    def _parse_chunk(self, size: int) -> None:
        chunk, self._unparsed = self._unparsed[:size], self._unparsed[size:]
        self._parse(chunk)

    def _body_left(self) -> int:
        # The bytes of input that belong to the current body: they start no request, so they are parsed at once.
        if (
            self.parser is None
            or self.cycle is None
            or self.pipeline
            or self._head_bytes >= 0
            or not self.cycle.more_body
        ):
            return 0
        length = next((value for name, value in self.headers if name == b"content-length"), b"")
        return int(length) - self._body_bytes if length.isdigit() else BODY_CHUNK_BYTES

    def _parse(self, data: bytes | memoryview) -> None:
        self._request_began = False
        super().data_received(data)  # type: ignore[arg-type]  # the parser accepts any buffer
        if self._upgraded:
            self.parser = None  # type: ignore[assignment]  # breaks the reference cycle with the parser
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.waiting.pop(self, None)
            if self not in self.active:
                self.active[self] = self.loop.time()
        else:
            self.waiting.setdefault(self, self.loop.time())  # no complete head yet, and uvicorn has no timer for that
        if self._head_bytes >= 0 and not self._request_began:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(HEAD_TOO_LARGE)
                self.transport.close()

    def handle_websocket_upgrade(self) -> None:
        """Hand the transport and the upgrade request over to a new WebSocket protocol."""
        self._upgraded = True
        self._registry.forget(self)
        self._unparsed = _NO_BYTES  # a client must not send after an upgrade request before its response
        self.flow.release()
        self.connections.discard(self)
        make: Any = self.ws_protocol_class
        socket = make(config=self.config, server_state=self.server_state, app_state=self.app_state)
        socket.address, socket.slot = (self.scope["client"] or ("",))[0], self.slot
        self.slot = None
        socket.connection_made(self.transport)
        socket.data_received(self._request_to_upgrade())
        self.transport.set_protocol(socket)

    def _request_to_upgrade(self) -> bytes:
        head = [self.scope["method"].encode() + b" " + self.url + b" HTTP/1.1"]
        head += [name + b": " + value for name, value in self.scope["headers"]]
        return b"\r\n".join([*head, b"", b""])

    # Progress of the current request.

    @property
    def has_unsent(self) -> bool:
        """Whether bytes that were written are still in the transport's buffer, because the client does not read."""
        return bool(self.transport.get_write_buffer_size())

    @property
    def body_is_due(self) -> bool:
        """Whether the body of the current request is incomplete, and reading is not paused."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or self.pipeline or self.flow.held or self.flow.read_paused:
            return False
        return bool(cycle.more_body)

    @property
    def body_received(self) -> int:
        """How many bytes of the current request's body were received."""
        return self._body_bytes

    def bytes_moved(self, *, both_ways: bool) -> int:
        """Return how many bytes were received from the client, and with `both_ways` also acknowledged by it.

        Only the difference between two calls with the same argument is meaningful.

        Args:
            both_ways: whether to add the acknowledged bytes, which takes a system call.
        """
        return self._received_bytes + (acknowledged_bytes(self.transport) if both_ways else 0)

    def close_slow(self) -> None:
        """Close a connection whose client is too slow.

        The client receives a response with status 400, unless a response has begun or an earlier one is not sent.
        """
        cycle = self.cycle
        can_respond = cycle is not None and not (cycle.response_started or self.pipeline or self.transport.is_closing())
        if can_respond and not self.transport.get_write_buffer_size():
            self.transport.write(BODY_TOO_SLOW)
            self.transport.close()
            cycle.disconnected = True
            cycle.message_event.set()
        else:
            self.transport.abort()

    @property
    def is_done(self) -> bool:
        """Whether all requests have responses, and all responses are sent."""
        if self.cycle is None or not self.cycle.response_complete or self.pipeline or self._unparsed:
            return False
        return not (self.transport.is_closing() or self.transport.get_write_buffer_size())

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        """Reset the counters for a new request (parser)."""
        super().on_message_begin()
        self._head_bytes, self._body_bytes, self._request_began = 0, 0, True

    def on_headers_complete(self) -> None:
        """Take the client's address from its proxy's header, and start the handler of the request (parser)."""
        self._head_bytes = -1
        if self._behind_proxy and self.client is not None:
            address, scheme = self.proxies.client(self.client[0], self.headers)
            self.scope["client"] = (address, 0)
            if scheme:
                self.scope["scheme"] = scheme
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before and self.cycle is not None:
            self.cycle.__class__ = WholeResponses  # uvicorn does not ask which class to make

    def on_body(self, body: bytes) -> None:
        """Count a part of the body, and pass it on to the handler (parser)."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Finish a request, and begin the next one. While pipelined requests wait, no further input is read."""
        if self.pipeline:
            if not self.flow.held:
                self.flow.hold()
            super().on_response_complete()
            if self.flow.held and not self.pipeline:
                self.loop.call_soon(self._continue)
            return
        # uvicorn would start a timer here, for each response.
        self.server_state.total_requests += 1
        closing = self.transport.is_closing()
        if not closing:
            self.flow.resume_reading()
        if self.flow.held:
            self.loop.call_soon(self._continue)
        if not closing and not self._unparsed:
            self._registry.mark_idle(self)
            if not self.transport.get_write_buffer_size():
                self.active.pop(self, None)


class HttpConnections:
    """The HTTP connections of one server. uvicorn calls this object to create the protocol of each connection.

    Args:
        proxies: the proxies that are trusted to name the address of a client; None for no proxies.
        keep_alive: seconds that a connection is kept open for another request.

    Attributes:
        waiting, active, idle: the connections in each state (see `HttpProtocol`).
    """

    def __init__(self, proxies: TrustedProxies | None = None, keep_alive: float = KEEP_ALIVE_SECONDS) -> None:
        self.proxies = proxies or TrustedProxies()
        self.waiting: dict[HttpProtocol, float] = {}
        self.active: dict[HttpProtocol, float] = {}
        self.idle: dict[HttpProtocol, float] = {}
        self._keep_alive = keep_alive
        self._timer: asyncio.TimerHandle | None = None  # for the next time to look for unused connections

    def mark_idle(self, connection: HttpProtocol) -> None:
        """Record that a connection waits for another request. After `keep_alive` seconds without one, it is closed."""
        loop = connection.loop
        self.idle[connection] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._keep_alive, self._close_unused, loop)

    def forget(self, connection: HttpProtocol) -> None:
        """Remove a connection that has ended, or has become a WebSocket. Unknown ones are ignored."""
        for connections in (self.waiting, self.active, self.idle):
            connections.pop(connection, None)
        if self._timer is not None and not self.idle:
            self._timer.cancel()
            self._timer = None

    def _close_unused(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for connection, since in list(islice(self.idle.items(), CLOSES_PER_TURN)):
            if since + self._keep_alive > now:
                break
            del self.idle[connection]
            connection.transport.close()
        if self.idle:  # those that are due at once are closed in the next turn of the event loop
            since = next(iter(self.idle.values()))
            self._timer = loop.call_later(max(0.0, since + self._keep_alive - now), self._close_unused, loop)

    def __call__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> HttpProtocol:
        """Return the protocol of a new connection."""
        return HttpProtocol(self, config, server_state, app_state, _loop)
