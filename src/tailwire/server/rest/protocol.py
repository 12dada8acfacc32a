"""One HTTP connection: uvicorn's, with bounds on what a stranger may have it keep and wait for.

uvicorn itself takes a head of any length, queues whatever is sent without waiting for answers, and watches only those
connections that have had an answer.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tailwire.server.actions.present import encode
from tailwire.server.limits.forwarded import TrustedProxies
from tailwire.server.limits.places import Place
from tailwire.server.limits.taken import taken_by
from tailwire.server.ports.refusal import Refused

MAX_HEAD = 64 * 1024
PIECE = 1024
OF_A_BODY = 4 * 1024


def _told(status: bytes, what: Refused) -> bytes:
    # An answer that no handler gives.
    body = encode({"error": what.as_error()})
    head = b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
    return head % (status, len(body), body)


HEAD_TOO_LARGE = _told(
    b"431 Request Header Fields Too Large",
    Refused("ERR_TOO_LARGE", f"The head of a request has at most {MAX_HEAD} bytes."),
)
BODY_TOO_SLOW = _told(
    b"400 Bad Request",
    Refused("ERR_BAD_REQUEST", "The body stalled, or came more slowly than the server waits for. Send it again."),
)
NO_PROXIES = TrustedProxies()
_NOTHING = memoryview(b"")


class _Flow(FlowControl):
    """Reading is stopped by uvicorn, by us, or both."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self.held = self._stopped = False

    def pause_reading(self) -> None:
        self._stopped = True
        super().pause_reading()

    def resume_reading(self) -> None:
        self._stopped = False
        if not self.held:
            super().resume_reading()

    def hold(self) -> None:
        """Read nothing more until `let_go`."""
        self.held = True
        super().pause_reading()

    def let_go(self) -> None:
        """Read on, if uvicorn does."""
        self.held = False
        if not self._stopped:
            super().resume_reading()


class HttpProtocol(HttpToolsProtocol):
    """An HTTP connection of the server; each server has a class of its own (`bound`).

    Attributes:
        waiting: the connections that have to send the head of a request, and since when: longest first.
        under_way: the connections with a request whose body or answer is under way, and since when: longest first.
        idle: the connections that have had all their answers and are kept for another request: longest first.
        proxies: who is believed when it says whose connection it brings.
        named: the address that a proxy named before the connection's first byte; "" where none did.
        place: of the connection's address, freed with the connection.
    """

    waiting: dict[HttpProtocol, float]
    under_way: dict[HttpProtocol, float]
    idle: dict[HttpProtocol, None]
    proxies = NO_PROXIES
    named = ""
    place: Place | None = None
    flow: _Flow
    _head = -1  # bytes of a head that has begun and is not whole, but for those that came with its begin; -1: none has
    _body = 0  # bytes of a body that have come
    _received = 0  # bytes that have come, of all requests
    _behind_proxy = False
    _begins = _upgraded = False
    _rest = _NOTHING  # what was read and not taken yet

    @classmethod
    def bound(cls, proxies: TrustedProxies = NO_PROXIES) -> type[HttpProtocol]:
        """The class of one server's connections."""
        own = {"waiting": {}, "under_way": {}, "idle": {}, "proxies": proxies}
        return type("BoundHttpProtocol", (cls,), own)

    # The transport's side.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The transport is ours."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self.waiting[self] = self.loop.time()
        self._behind_proxy = self.client is not None and self.proxies.trusts(self.client[0])
        if self.named:
            self.client = (self.named, 0)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        self.waiting.pop(self, None)
        self.under_way.pop(self, None)
        self.idle.pop(self, None)
        self._rest = _NOTHING
        if self.place is not None:
            self.place.free()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came in. Of many requests a few are taken in a turn of the event loop: others have theirs between."""
        self.idle.pop(self, None)
        self._received += len(data)
        if len(data) <= PIECE and not self.flow.held:
            self._take(data)
            return
        self._rest = memoryview(bytes(self._rest) + data if self._rest else data)
        self.flow.hold()
        if not self.pipeline:
            self._go_on()

    def _go_on(self) -> None:
        if self.transport.is_closing():
            return
        if self._rest:
            self._take_some(PIECE)
        while self._rest and (left := self._left_of_body()):
            self._take_some(left)
        if self._upgraded:
            return
        if not (self._rest or self.pipeline):
            self.flow.let_go()
        elif not self.pipeline:  # else `on_response_complete` goes on
            self.loop.call_soon(self._go_on)

    def _take_some(self, size: int) -> None:
        piece, self._rest = self._rest[:size], self._rest[size:]
        self._take(piece)

    def _left_of_body(self) -> int:
        # How much of what comes next is the body of the request under way: it is taken at once, nothing begins with it.
        if self.parser is None or self.cycle is None or self.pipeline or self._head >= 0 or not self.cycle.more_body:
            return 0
        length = next((value for name, value in self.headers if name == b"content-length"), b"")
        return int(length) - self._body if length.isdigit() else OF_A_BODY

    def _take(self, data: bytes | memoryview) -> None:
        self._begins = False
        super().data_received(data)  # type: ignore[arg-type]  # the parser takes any buffer
        if self._upgraded:
            self.parser = None  # type: ignore[assignment]  # it knows us: without a cycle both are gone at once
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.waiting.pop(self, None)
            if self not in self.under_way:
                self.under_way[self] = self.loop.time()
        else:
            self.waiting.setdefault(self, self.loop.time())  # no whole head yet, and uvicorn's own timer is off
        if self._head >= 0 and not self._begins:
            self._head += len(data)
            if self._head > MAX_HEAD and not self.transport.is_closing():
                self.transport.write(HEAD_TOO_LARGE)
                self.transport.close()

    def handle_websocket_upgrade(self) -> None:
        """Another protocol has the transport from now on."""
        self._upgraded = True
        self.waiting.pop(self, None)
        self.under_way.pop(self, None)
        self._rest = _NOTHING  # behind an upgrade nothing may be sent before its answer
        self.flow.let_go()
        self.connections.discard(self)
        make: Any = self.ws_protocol_class
        socket = make(config=self.config, server_state=self.server_state, app_state=self.app_state)
        socket.address, socket.place = (self.scope["client"] or ("",))[0], self.place
        self.place = None
        socket.connection_made(self.transport)
        socket.data_received(self._request_to_upgrade())
        self.transport.set_protocol(socket)

    def _request_to_upgrade(self) -> bytes:
        head = [self.scope["method"].encode() + b" " + self.url + b" HTTP/1.1"]
        head += [name + b": " + value for name, value in self.scope["headers"]]
        return b"\r\n".join([*head, b"", b""])

    # What is under way.

    @property
    def waits_for_client(self) -> bool:
        """Whether it is the client's turn: it has not taken what was written, or its body is not whole."""
        return bool(self.transport.get_write_buffer_size()) or self.body_is_due

    @property
    def body_is_due(self) -> bool:
        """Whether the body of the request under way is not whole, and would be read if it came."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or self.pipeline or self.flow.held or self.flow.read_paused:
            return False
        return bool(cycle.more_body)

    @property
    def body_received(self) -> int:
        """Bytes of the body of the request under way that have come."""
        return self._body

    def moved(self) -> int:
        """Return how many bytes came from the client and were taken by it, counted from any point."""
        return self._received + taken_by(self.transport)

    def end_slow(self) -> None:
        """End a connection whose client is too slow; tell it, where it can still be told."""
        cycle = self.cycle
        told = cycle is not None and not (cycle.response_started or self.pipeline or self.transport.is_closing())
        if told and not self.transport.get_write_buffer_size():
            self.transport.write(BODY_TOO_SLOW)
            self.transport.close()
            cycle.disconnected = True
            cycle.message_event.set()
        else:
            self.transport.abort()

    @property
    def is_done(self) -> bool:
        """Whether all requests are answered, and the client has taken the answers."""
        if self.cycle is None or not self.cycle.response_complete or self.pipeline or self._rest:
            return False
        return not (self.transport.is_closing() or self.transport.get_write_buffer_size())

    # The parser's side.

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head, self._body, self._begins = 0, 0, True

    def on_headers_complete(self) -> Any:
        """Its head is whole."""
        self._head = -1
        if self._behind_proxy and self.client is not None:
            address, scheme = self.proxies.client(self.client[0], self.headers)
            self.scope["client"] = (address, 0)
            if scheme:
                self.scope["scheme"] = scheme
        return super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of its body."""
        self._body += len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        """It is answered. While others wait for their turn, what was sent behind them stays where it is."""
        if self.pipeline and not self.flow.held:
            self.flow.hold()
        last = not self.pipeline
        super().on_response_complete()
        if self.flow.held and not self.pipeline:
            self.loop.call_soon(self._go_on)
        if last and not self._rest and not self.transport.is_closing():
            self.idle[self] = None
            if not self.transport.get_write_buffer_size():
                self.under_way.pop(self, None)
