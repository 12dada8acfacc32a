"""One WebSocket: a thin shell around the sans-I/O protocol. No task, no timer, no ASGI scope of its own.

uvicorn makes one when a client asks for the upgrade, and hands it the transport and the bytes of the request.
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

from tailwire.server.gateway.gateway import WINDOW_OVER, Gateway
from tailwire.server.gateway.liveness import Probe
from tailwire.server.gateway.server_frames import refusal_body
from tailwire.server.limits.slots import Slot
from tailwire.server.ports.refusal import Refused
from tailwire.wire.frames import CLIENT_HEADER, PROOF_HEADER

PATHS = frozenset({"", "/v3", "/v3.0"})
RESTART = 1012
PIECE = 1024
MAX_WAITING = 16
MAX_FRAGMENTS = 1024
MAX_HEAD = 64 * 1024  # of the request to upgrade
FOR_GOOD = (1000, WINDOW_OVER)
NO_FEATURES: frozenset[str] = frozenset()
NOTHING = memoryview(b"")


def _nowhere(data: bytes) -> None:
    """A socket that is not open takes nothing."""


def _forget_frames(protocol: ServerProtocol) -> None:
    # The parser's frame, and that of the error that ended it, know the protocol: without a cycle all are gone at once,
    # and a crowd that leaves is no work for the collector.
    protocol.parser.close()
    if protocol.parser_exc is not None:
        protocol.parser_exc.__traceback__ = None


def _refusal(protocol: ServerProtocol, refused: Refused) -> Response:
    # In the envelope of all answers: a client knows by it that the server refuses, and not a proxy on the way.
    response = protocol.reject(http.HTTPStatus(refused.status), refusal_body(refused))
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json"
    if refused.retry_after is not None:
        response.headers["Retry-After"] = f"{refused.retry_after:.0f}"
    return response


class SocketProtocol(asyncio.Protocol):
    """A WebSocket of the server. uvicorn makes it by the arguments behind `gateway`, which the app binds."""

    __slots__ = (
        "_before_auth",
        "_connections",
        "_fragments",
        "_going",
        "_protocol",
        "_rest",
        "_transport",
        "address",
        "background_until",
        "bad_frames",
        "chained",
        "device",
        "features",
        "frames",
        "gateway",
        "groups",
        "heard_at",
        "held_until",
        "inbox",
        "left",
        "opened_at",
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
        self._rest = NOTHING
        self._before_auth = 0  # bytes that came before it authenticated
        self.address = self.uid = self.device = self.token = ""
        self.slot: Slot | None = None  # of its connection
        self.unauthenticated_slot: Slot | None = None  # as long as it has not authenticated
        self.groups: set[str] = set()
        self.presence: frozenset[str] | None = None
        self.features = NO_FEATURES
        self.opened_at = self.heard_at = gateway.loop.time()
        self.probe: Probe | None = None
        self.frames = self.bad_frames = 0
        self.background_until = self.window = self.held_until = self.token_until = 0.0
        self.inbox: list[bytes] | None = None
        self.slow = self.chained = self._going = False
        self.left = False  # its user left on purpose and does not come back by themselves
        # Writes encoded frames: the transport's own method while the socket is open, so that fan-out pays one call.
        self.write: Callable[[bytes], object] = _nowhere

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is ours."""
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came in. What is much is taken in pieces, a turn of the event loop each: others have theirs between."""
        self.heard_at = self.gateway.loop.time()  # also of a part of a frame: a slow line is not a dead one
        if not self.uid:
            self._before_auth += len(data)
            if self._before_auth > MAX_HEAD + self.gateway.settings.max_frame:
                self.gateway.metrics.closes["too much before auth"] += 1
                self.close(1008, "too much came before an auth frame")
                return
        if len(data) <= PIECE and not self._rest and not self._has_enough:
            self._protocol.receive_data(data)
            self._take_events()
            return
        self._rest = memoryview(bytes(self._rest) + data)
        if self._transport is not None:
            self._transport.pause_reading()
        self.go_on()

    @property
    def _has_enough(self) -> bool:
        return self.inbox is not None and len(self.inbox) >= MAX_WAITING

    def go_on(self) -> None:
        """Take more of what was read, now that what was taken is worked off."""
        if self._rest and not self._going and not self._has_enough:
            self._going = True
            self.gateway.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._going = False
        piece, self._rest = self._rest[:PIECE], self._rest[PIECE:]
        transport = self._transport
        if transport is None or transport.is_closing():
            self._rest = NOTHING
            return
        if piece:
            self._protocol.receive_data(bytes(piece))
            self._take_events()
        if self._rest:
            self.go_on()
        elif not (self.held_until or transport.is_closing()):
            transport.resume_reading()

    def eof_received(self) -> bool | None:
        """The other end will send no more."""
        if self._rest:
            self._protocol.receive_data(bytes(self._rest))
            self._rest = NOTHING
        self._protocol.receive_eof()
        self._take_events()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        self._connections.discard(self)
        self._transport = None
        for slot in (self.slot, self.unauthenticated_slot):
            if slot is not None:
                slot.free()
        self.write = _nowhere
        if self._protocol.close_rcvd is not None and self._protocol.close_rcvd_then_sent:
            self.left = True
        _forget_frames(self._protocol)
        self.gateway.ended(self)

    def pause_writing(self) -> None:
        """More is buffered than `slow_drop`."""
        self.slow = True

    def resume_writing(self) -> None:
        """The other end has taken enough of it."""
        self.slow = False

    def shutdown(self) -> None:
        """The server stops (called by uvicorn)."""
        if self.uid:
            self.gateway.announce_restart(self)
        self.close(RESTART, "restarting")

    # The protocol's side.

    def _take_events(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._upgrade(event)
            else:
                self._frame(cast(Frame, event))
        self._flush()

    def _upgrade(self, request: Request) -> None:
        if request.path.partition("?")[0].rstrip("/") not in PATHS:
            self._respond(_refusal(self._protocol, Refused("ERR_API_NOT_FOUND", "There is no WebSocket at this path.")))
            return
        known = self.gateway.admission.is_known(request.headers.get(PROOF_HEADER, ""))
        wait = self.gateway.admission.delay(self.gateway.metrics.sockets, known=known)
        if wait is None:
            self._refuse("Too many come at once.")
            return
        if CLIENT_HEADER not in request.headers:
            # The JavaScript SDK never authenticates a socket that opens before its own PUT /me is answered.
            wait = max(wait, self.gateway.settings.upgrade_delay)
        if wait > 0:
            self.gateway.loop.call_later(wait, self._accept, request, known)
        else:
            self._accept(request, known)

    def _accept(self, request: Request, known: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if not known:
            self.unauthenticated_slot = self.gateway.admission.unauthenticated.take(self.address)
        if known or self.unauthenticated_slot is not None:
            self._respond(self._protocol.accept(request))
        else:
            self._refuse("Too many WebSockets of your address have not authenticated.")
        self._flush()

    def _refuse(self, why: str) -> None:
        self.gateway.metrics.upgrades_refused += 1
        later = self.gateway.overload.retry_after()
        self._respond(_refusal(self._protocol, Refused("ERR_UNAVAILABLE", why, retry_after=later)))

    def _respond(self, response: Any) -> None:
        if self._protocol.eof_sent:  # what it sent without waiting for the answer made no sense
            self.abort()
            return
        self._protocol.send_response(response)
        if self._protocol.state is State.OPEN and self._transport is not None:
            self._transport.set_write_buffer_limits(high=self.gateway.settings.slow_drop)
            self.write = self._transport.write
            self.gateway.opened(self)

    def _frame(self, frame: Frame) -> None:
        if self.write is _nowhere or self.held_until:
            return  # we have said goodbye, or will: what was sent behind that counts no more
        if frame.opcode is Opcode.TEXT and frame.fin:
            self.gateway.frame(self, bytes(frame.data))
        elif frame.opcode is Opcode.CONT and frame.fin and self._fragments is not None:
            whole, self._fragments = b"".join([*self._fragments, bytes(frame.data)]), None
            self.gateway.frame(self, whole)
        elif self.gateway.counted(self):  # the library answers pings; they are frames as others are
            self._part(frame)

    def _part(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            if frame.fin:
                self.close(1003, "text frames only")
            else:
                self._fragments = [bytes(frame.data)]
        elif frame.opcode is Opcode.CONT and self._fragments is not None:
            if len(self._fragments) >= MAX_FRAGMENTS:
                self.close(1009, "too many fragments")
                return
            self._fragments.append(bytes(frame.data))

    def _flush(self) -> None:
        transport = self._transport
        if self.buffered() > self.gateway.settings.slow_close:
            self.abort()  # it asks, and takes no answer
            return
        for data in self._protocol.data_to_send():
            if transport is None or transport.is_closing():
                return
            if data:
                transport.write(data)
            else:
                transport.close()
        if self._protocol.state is not State.OPEN:
            self.write = _nowhere
        if transport is not None and self._protocol.close_expected() and self._protocol.state is State.CLOSED:
            transport.close()

    # The hub's and the gateway's side.

    def buffered(self) -> int:
        """Bytes that the other end has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def ping(self) -> None:
        """Ask for a sign of life: any client of the protocol answers this by itself."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._flush()

    @property
    def transport(self) -> asyncio.Transport | None:
        """What it is written to; None when it is gone."""
        return self._transport

    def hold(self, until: float) -> None:
        """Read nothing more, and forget what was read and not worked off. The gateway closes it then."""
        self.held_until = until
        self._rest = NOTHING
        if self.inbox:
            self.inbox.clear()
        if self._transport is not None:
            self._transport.pause_reading()

    def close(self, code: int, reason: str) -> None:
        """Say goodbye and end; a slow reader is not waited for."""
        transport = self._transport
        self.write = _nowhere
        self.left = self.left or code in FOR_GOOD
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
        """End without a word."""
        if self._transport is not None:
            self._transport.abort()
