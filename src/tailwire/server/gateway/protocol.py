"""A WebSocket of the server: a thin layer on the sans-I/O protocol of `websockets`, without a task or timer of its own.

When a client requests the upgrade, `HttpProtocol` creates a `SocketProtocol`, and passes it the transport and the bytes
of the request.
"""

from __future__ import annotations

import asyncio
import http
from collections.abc import Callable
from typing import Any, cast

from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from tailwire.server.gateway.gateway import Gateway
from tailwire.server.gateway.liveness import Probe
from tailwire.server.gateway.server_frames import refusal_body
from tailwire.server.limits.slots import Slot
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.connections import ConnectionEvent, add_event
from tailwire.wire.close_codes import CloseCode
from tailwire.wire.frames import CLIENT_HEADER, PROOF_HEADER

UPGRADE_PATHS = frozenset({"", "/v3", "/v3.0"})
CHUNK_BYTES = 1024
MAX_INBOX_FRAMES = 16  # frames that wait before reading pauses
MAX_FRAGMENTS = 1024
MAX_HEAD_BYTES = 64 * 1024  # bytes of the upgrade request
INTENDED_CODES = (CloseCode.NORMAL, CloseCode.WINDOW_EXPIRED)
NO_FEATURES: frozenset[str] = frozenset()
NO_BYTES = memoryview(b"")


def _discard(data: bytes) -> None:
    """Discard data. This is the `write` of a socket that is not open."""


def _forget_frames(protocol: ServerProtocol) -> None:
    # The generator of the parser, and the traceback of an error that ended it, refer to the protocol. Breaking this
    # cycle frees all of them at once, so that many disconnects make no work for the garbage collector.
    protocol.parser.close()
    if protocol.parser_exc is not None:
        protocol.parser_exc.__traceback__ = None


def _cause_of_end(protocol: ServerProtocol, error: Exception | None) -> str:
    if protocol.parser_exc is not None and protocol.close_rcvd is None:
        return f"server: {protocol.close_sent.code if protocol.close_sent else 1002} the client broke the protocol"
    if protocol.close_rcvd is not None:
        return f"client: {protocol.close_rcvd.code}"
    return f"connection lost: {type(error).__name__}" if error is not None else "client: no close frame"


def _header(request: Request, name: str) -> str:
    # `headers.get` would raise if a client repeats a header.
    return ", ".join(request.headers.get_all(name))


def _refusal(protocol: ServerProtocol, refused: Refused) -> Response:
    # The body is the error envelope of the REST API, which shows clients that the server refuses, not a proxy.
    response = protocol.reject(http.HTTPStatus(refused.status), refusal_body(refused))
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json"
    if refused.retry_after is not None:
        response.headers["Retry-After"] = f"{refused.retry_after:.0f}"
    return response


class SocketProtocol(asyncio.Protocol):
    """A WebSocket of the server.

    Args:
        gateway: handles its frames.
        config, server_state, app_state, _loop: the arguments that uvicorn passes to a protocol. Only the connections in
            `server_state` are used.

    Attributes:
        slot: the slot that the connection takes among those of its address, and frees at its end; None without one.
            The other attributes are described at `sockets.Socket`.
    """

    __slots__ = (
        "_before_auth",
        "_connections",
        "_fragments",
        "_protocol",
        "_scheduled",
        "_transport",
        "_unprocessed",
        "address",
        "background_until",
        "bad_frames",
        "chained",
        "closed_on_purpose",
        "device",
        "ended_by",
        "features",
        "frames",
        "gateway",
        "groups",
        "heard_at",
        "held_until",
        "history",
        "inbox",
        "number",
        "opened_at",
        "platform",
        "presence",
        "probe",
        "slot",
        "slow",
        "token",
        "token_until",
        "uid",
        "unauthenticated_slot",
        "window",
        "write",
    )

    def __init__(self, gateway: Gateway, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        self.gateway = gateway
        self._connections = server_state.connections
        self._protocol = ServerProtocol(max_size=gateway.settings.max_frame)
        self._transport: asyncio.Transport | None = None
        self._fragments: list[bytes] | None = None
        self._unprocessed = NO_BYTES
        self._before_auth = 0  # bytes received before authentication
        self.address = self.uid = self.device = self.platform = self.token = self.ended_by = ""
        self.number = 0
        self.history: list[ConnectionEvent] = []
        self.slot: Slot | None = None  # counts the connection
        self.unauthenticated_slot: Slot | None = None  # counts it until it has authenticated
        self.groups: set[str] = set()
        self.presence: frozenset[str] | None = None
        self.features = NO_FEATURES
        self.opened_at = self.heard_at = gateway.loop.time()
        self.probe: Probe | None = None
        self.frames = self.bad_frames = 0
        self.background_until = self.window = self.held_until = self.token_until = 0.0
        self.inbox: list[bytes] | None = None
        self.slow = self.chained = self._scheduled = False
        self.closed_on_purpose = False  # its client does not reconnect by itself
        # Writes encoded frames. It is the method of the transport while the socket is open, which saves fan-out a call.
        self.write: Callable[[bytes], object] = _discard

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport. Called by `HttpProtocol` when the connection becomes a WebSocket."""
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Process received bytes.

        At most `CHUNK_BYTES` are processed in one turn of the event loop, so that large input does not delay other
        sockets. Reading pauses until the rest is processed.
        """
        self.heard_at = self.gateway.loop.time()  # a part of a frame counts too: a slow line is not dead
        if not self.uid:
            self._before_auth += len(data)
            if self._before_auth > MAX_HEAD_BYTES + self.gateway.settings.max_frame:
                self.gateway.metrics.closes["too much before auth"] += 1
                self.close(CloseCode.POLICY_VIOLATION, "too many bytes before an auth frame")
                return
        if len(data) <= CHUNK_BYTES and not self._unprocessed and not self._is_full:
            self._protocol.receive_data(data)
            self._take_events()
            return
        self._unprocessed = memoryview(bytes(self._unprocessed) + data)
        if self._transport is not None:
            self._transport.pause_reading()
        self.process_more()

    @property
    def _is_full(self) -> bool:
        return self.inbox is not None and len(self.inbox) >= MAX_INBOX_FRAMES

    def process_more(self) -> None:
        """Schedule the processing of further received bytes. Called when the frames in `inbox` have been handled."""
        if self._unprocessed and not self._scheduled and not self._is_full:
            self._scheduled = True
            self.gateway.loop.call_soon(self._process_chunk)

    def _process_chunk(self) -> None:
        self._scheduled = False
        chunk, self._unprocessed = self._unprocessed[:CHUNK_BYTES], self._unprocessed[CHUNK_BYTES:]
        transport = self._transport
        if transport is None or transport.is_closing():
            self._unprocessed = NO_BYTES
            return
        if chunk:
            self._protocol.receive_data(bytes(chunk))
            self._take_events()
        if self._unprocessed:
            self.process_more()
        elif not (self.held_until or transport.is_closing()):
            transport.resume_reading()

    def eof_received(self) -> bool | None:
        """Process all remaining bytes and the end of the peer's input. Return None: asyncio closes the transport."""
        if self._unprocessed:
            self._protocol.receive_data(bytes(self._unprocessed))
            self._unprocessed = NO_BYTES
        self._protocol.receive_eof()
        self._take_events()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Free the slots, record how the connection ended, and remove it from the gateway."""
        self._connections.discard(self)
        self._transport = None
        for slot in (self.slot, self.unauthenticated_slot):
            if slot is not None:
                slot.free()
        self.write = _discard
        if self._protocol.close_rcvd is not None and self._protocol.close_rcvd_then_sent:
            self.closed_on_purpose = True
        self.ended_by = self.ended_by or _cause_of_end(self._protocol, exc)
        _forget_frames(self._protocol)
        self.gateway.forget(self)

    def pause_writing(self) -> None:
        """Mark the socket as slow, because more than `slow_drop` bytes are buffered: it gets no droppable frames."""
        self.slow = True
        add_event(self.history, self.gateway.loop.time(), "slow")

    def resume_writing(self) -> None:
        """Mark the socket as no longer slow, because few bytes are buffered now."""
        self.slow = False
        add_event(self.history, self.gateway.loop.time(), "no longer slow")

    def shutdown(self) -> None:
        """Announce the restart to the client and close the socket, because the server stops. Called by uvicorn."""
        if self.uid:
            self.gateway.announce_restart(self)
        self.close(CloseCode.RESTARTING, "restarting")

    # Events of the protocol.

    def _take_events(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._upgrade(event)
            else:
                self._handle_frame(cast(Frame, event))
        self._flush()

    def _upgrade(self, request: Request) -> None:
        if request.path.partition("?")[0].rstrip("/") not in UPGRADE_PATHS:
            self._respond(_refusal(self._protocol, Refused("ERR_API_NOT_FOUND", "There is no WebSocket at this path.")))
            return
        if not self.gateway.admission.hosts.allows(_header(request, "Host")):
            self._respond(_refusal(self._protocol, Refused("ERR_HOST_NOT_ALLOWED")))
            return
        known = self.gateway.admission.is_known(_header(request, PROOF_HEADER))
        wait = self.gateway.admission.delay(self.gateway.metrics.sockets, has_pass=known)
        if wait is None:
            self._refuse("Too many clients connect at the same time.", "upgrades_per_second")
            return
        if CLIENT_HEADER not in request.headers:
            # The JavaScript SDK never authenticates a socket that opens before the response to its own PUT /me.
            wait = max(wait, self.gateway.settings.upgrade_delay)
        if wait > 0:
            self.gateway.loop.call_later(wait, self._accept, request, known)
        else:
            self._accept(request, known)

    def _accept(self, request: Request, has_pass: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if not has_pass:
            self.unauthenticated_slot = self.gateway.admission.unauthenticated.take(self.address)
        if has_pass or self.unauthenticated_slot is not None:
            self._respond(self._protocol.accept(request))
        else:
            self._refuse("Too many WebSockets from this address have not authenticated.", "unauthenticated_per_address")
        self._flush()

    def _refuse(self, why: str, limit: str) -> None:
        self.gateway.metrics.upgrades_refused += 1
        self.gateway.metrics.refusals[limit] += 1
        later = self.gateway.overload.retry_after()
        self._respond(_refusal(self._protocol, Refused("ERR_UNAVAILABLE", why, retry_after=later)))

    def _respond(self, response: Any) -> None:
        if self._protocol.eof_sent:  # the client sent invalid bytes without waiting for the response
            self.abort()
            return
        self._protocol.send_response(response)
        if self._protocol.state is State.OPEN and self._transport is not None:
            self._transport.set_write_buffer_limits(high=self.gateway.settings.slow_drop)
            self.write = self._transport.write
            self.gateway.register(self)

    def _handle_frame(self, frame: Frame) -> None:
        if self.write is _discard or self.held_until:
            return  # closing, so later frames are ignored
        if frame.opcode is Opcode.TEXT and frame.fin:
            self.gateway.handle_text(self, bytes(frame.data))
        elif frame.opcode is Opcode.CONT and frame.fin and self._fragments is not None:
            whole, self._fragments = b"".join([*self._fragments, bytes(frame.data)]), None
            self.gateway.handle_text(self, whole)
        elif self.gateway.count_frame(self):  # websockets replies to pings, but they count too
            self._handle_fragment(frame)

    def _handle_fragment(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            if frame.fin:
                self.close(CloseCode.UNSUPPORTED_DATA, "text frames only")
            else:
                self._fragments = [bytes(frame.data)]
        elif frame.opcode is Opcode.CONT and self._fragments is not None:
            if len(self._fragments) >= MAX_FRAGMENTS:
                self.close(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
                return
            self._fragments.append(bytes(frame.data))

    def _flush(self) -> None:
        transport = self._transport
        if self.buffered() > self.gateway.settings.slow_close:
            self.abort()  # the client does not read the replies to its pings
            return
        for data in self._protocol.data_to_send():
            if transport is None or transport.is_closing():
                return
            if data:
                transport.write(data)
            else:
                transport.close()
        if self._protocol.state is not State.OPEN:
            self.write = _discard
        if transport is not None and self._protocol.close_expected() and self._protocol.state is State.CLOSED:
            transport.close()

    # Called by the hub and the gateway.

    def buffered(self) -> int:
        """Return how many written bytes are buffered in this process; 0 once the connection is closed."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def ping(self) -> None:
        """Send a WebSocket ping if the socket is open. Every WebSocket client replies to it automatically."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._flush()

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport; None once the connection is closed."""
        return self._transport

    def hold(self, until: float) -> None:
        """Ignore the client from now on: stop reading, and discard frames and bytes that were not handled.

        Args:
            until: the event loop time after which the gateway closes the socket.
        """
        self.held_until = until
        self._unprocessed = NO_BYTES
        if self.inbox:
            self.inbox.clear()
        if self._transport is not None:
            self._transport.pause_reading()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, with a reason for people, and close the connection. If the socket is slow, abort it."""
        transport = self._transport
        self.ended_by = self.ended_by or f"server: {int(code)} {reason}"
        self.write = _discard
        self.closed_on_purpose = self.closed_on_purpose or code in INTENDED_CODES
        if transport is None:
            return
        try:
            self._protocol.send_close(code, reason)
        except InvalidState:
            transport.abort()
            return
        self._flush()
        if self.slow:
            transport.abort()
        else:
            transport.close()

    def abort(self) -> None:
        """Close the connection without a close frame. If no other cause is recorded, it is that the client is slow."""
        self.ended_by = self.ended_by or "server: the client reads too slowly"
        if self._transport is not None:
            self._transport.abort()
