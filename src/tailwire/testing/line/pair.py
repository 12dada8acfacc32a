"""A connection through the proxy: the client's end, the server's end, and the faults between them.

Rules: all bytes and the end of the stream travel through the two pipes of the line; faults are applied on arrival;
an end is not read from while its pipe is full or the other end does not accept more data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import cast

from tailwire.testing.line.frames import ServerFrames
from tailwire.testing.line.pipe import MAX_PIECE_BYTES, Pipe
from tailwire.testing.line.responses import CannedResponse, RequestHead

CONTROL_PACKET_BYTES = 40  # a packet without payload: SYN, FIN, RST


class Ending(Enum):
    """How one end of a connection was closed."""

    FINISHED = "finished"
    RESET = "reset"


@dataclass(slots=True)
class Faults:
    """The active faults of the line, shared by all its connections.

    Attributes:
        half_open: whether nothing is delivered: data is discarded on arrival, and connections stay open.
        cut_after: the server's next text frame is truncated to this many bytes, and its connection closed; None to
            truncate no frame. It becomes None once that is done.
        repeats: number of text frames of the server still to be delivered twice; counts down.
        answer: the response to every request, in place of the server's; None to pass requests to the server.
        upgrade_answer: the response to WebSocket upgrades; None to pass them to the server.
    """

    half_open: bool = False
    cut_after: int | None = None
    repeats: int = 0
    answer: CannedResponse | None = None
    upgrade_answer: CannedResponse | None = None


class End(asyncio.BufferedProtocol):
    """One end of a connection through the proxy: the protocol of the socket to the client or to the server.

    Args:
        pair: the connection.
        pipe: the direction of the line that carries what is read at this end.
        on_arrival: called at the far side of the pipe with data that has arrived, or with how this end was closed.

    Attributes:
        ended: whether nothing more is read at this end: its peer has closed at least its write side, or it was aborted.
        lost: whether the socket of this end is closed.
        other: the other end, which is not read from while this one does not accept more data; None until it exists.
    """

    def __init__(self, pair: Pair, pipe: Pipe, on_arrival: Callable[[bytes | Ending], None]) -> None:
        self._pair, self._pipe, self._on_arrival = pair, pipe, on_arrival
        self._buffer = memoryview(bytearray(MAX_PIECE_BYTES))
        self._reasons: set[str] = set()
        self._transport: asyncio.Transport | None = None
        self.ended = self.lost = False
        self.other: End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._reasons:
            self._transport.pause_reading()
            # A transport of Python 3.11.2 begins to read after this call, although it is paused.
            asyncio.get_running_loop().call_soon(self._pause_again)

    def _pause_again(self) -> None:
        if self._reasons and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._transport.pause_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer[: self._pipe.piece]

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._buffer[:nbytes])
        self._pipe.send(nbytes, lambda: self._on_arrival(data))
        if self._pipe.full and "line" not in self._reasons:
            self.pause("line")
            self._pipe.hold(lambda: self.resume("line"))

    def eof_received(self) -> bool:
        self._end(Ending.FINISHED)
        return True  # keep the write side open for data in flight

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._end(Ending.RESET if exc is not None else Ending.FINISHED)
        self._pair.on_end_lost()

    def _end(self, how: Ending) -> None:
        if not self.ended:
            self.ended = True
            self._pipe.send(CONTROL_PACKET_BYTES, lambda: self._on_arrival(how))

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.pause("other end")

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.resume("other end")

    def pause(self, reason: str) -> None:
        """Stop reading until `resume` has been called for this reason and for all others."""
        self._reasons.add(reason)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self, reason: str) -> None:
        """Remove a reason of `pause`; read again if it was the last one."""
        self._reasons.discard(reason)
        if not self._reasons and self._transport is not None and not self._transport.is_closing() and not self.ended:
            self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Write data, unless the connection is closing."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def finish(self) -> None:
        """Close the write side (FIN); this end can still receive."""
        if self._transport is not None and not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()

    def close(self) -> None:
        """Close the socket after pending writes."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close the socket immediately; the closing does not travel over the line to the other end."""
        self.ended = True
        if self._transport is not None:
            self._transport.abort()


class Pair:
    """A connection through the proxy.

    Args:
        faults: the active faults of the line, which may change at any time.
        up: the direction of the line that carries what the client sends.
        down: the direction of the line that carries what the server sends.
        connect: begins to open the connection to the server, with the protocol of `make_server_end`; later calls
            `on_established` or `on_unreachable`. It is called when the client's first packet has arrived.
        on_closed: called with this pair when both ends are closed.

    Attributes:
        client: the end of the client.
        server: the end of the server; None until it exists.
        silent: whether nothing is delivered on this connection, even if `Faults.half_open` is False.
        touched_at: when data last arrived at the far side of the line, in either direction, on the loop's clock.
    """

    def __init__(
        self, faults: Faults, up: Pipe, down: Pipe, connect: Callable[[Pair], None], on_closed: Callable[[Pair], None]
    ) -> None:
        self._faults, self._up, self._down = faults, up, down
        self._connect, self._on_closed = connect, on_closed
        self._frames = ServerFrames()
        self._head: RequestHead | None = None
        self._answered = self._answer_arrived = False
        self._half_closed = False  # the client has closed its write side, and the server has not
        self._closed = False
        self.client = End(self, up, self._at_server)
        self.server: End | None = None
        self.silent = False
        self.touched_at = asyncio.get_running_loop().time()
        self.client.pause("connecting")

    def begin(self) -> None:
        """Begin to connect to the server: send the client's first packet over the line, which takes its time there."""
        if self._closed:
            self.client.abort()
        else:
            self._up.send(CONTROL_PACKET_BYTES, self._on_request)

    @property
    def _is_swallowed(self) -> bool:
        return self._closed or self.silent or self._faults.half_open

    def _on_request(self) -> None:
        if self._is_swallowed:
            return
        if self._faults.answer is not None or self._faults.upgrade_answer is not None:
            self._head = RequestHead()
        if self._faults.answer is not None:
            self.on_established()
        else:
            self._connect(self)

    def make_server_end(self) -> End:
        """Create the end of the server, connect it to that of the client, and return it."""
        self.server = End(self, self._down, self._at_client)
        self.server.other, self.client.other = self.client, self.server
        return self.server

    def remove_server_end(self) -> None:
        """Undo `make_server_end`, because its socket was never connected to it."""
        self.server = self.client.other = None

    def on_established(self) -> None:
        """Begin to read from the client, because the server has accepted or the proxy responds in its place."""
        if self._closed:  # dropped in the meantime
            self.abort()
            return
        self._send_to_client(CONTROL_PACKET_BYTES, lambda: self.client.resume("connecting"))

    def on_unreachable(self) -> None:
        """Reset the client's connection, because the server cannot be reached; takes the time of the line."""
        self._down.send(CONTROL_PACKET_BYTES, self.abort)

    # Arrival at the far side of the line.

    def _at_server(self, what: bytes | Ending) -> None:
        if self._is_swallowed:
            return
        self.touched_at = asyncio.get_running_loop().time()
        if isinstance(what, Ending):
            self._client_ended(what)
        elif self._head is not None:
            if not self._answered and self._head.feed(what):
                self._decide(self._head)
        elif self.server is not None:
            self.server.write(what)

    def _client_ended(self, how: Ending) -> None:
        if self._answered:
            if self._answer_arrived:
                self.client.close()
        elif self.server is None:
            self.client.close()
        elif how is Ending.RESET:
            self.server.abort()
        elif self.server.ended:
            self.server.close()
        else:
            self._half_closed = True
            self.server.finish()

    def _decide(self, head: RequestHead) -> None:
        answer = self._faults.answer
        if answer is None and head.is_upgrade:
            answer = self._faults.upgrade_answer
        if answer is None or head.is_tls:
            self._head = None
            if self.server is None:  # TLS cannot be answered in the server's place
                self.abort()
            else:
                self.server.write(head.data)
            return
        self._answered = True
        if self.server is not None:
            self.server.abort()
        data = answer.to_bytes()
        for begin in range(0, len(data), self._down.piece):
            piece = data[begin : begin + self._down.piece]
            self._send_to_client(len(piece), partial(self.client.write, piece))
        self._send_to_client(CONTROL_PACKET_BYTES, self._end_answer)

    def _end_answer(self) -> None:
        self._answer_arrived = True
        if self.client.ended:
            self.client.close()
        else:
            self.client.finish()

    def _send_to_client(self, size: int, what: Callable[[], None]) -> None:
        def arrive() -> None:
            if not self._is_swallowed:
                what()

        self._down.send(size, arrive)

    def _at_client(self, what: bytes | Ending) -> None:
        if self._is_swallowed or self._answered:
            return
        self.touched_at = asyncio.get_running_loop().time()
        if what is Ending.RESET:
            self.client.abort()
        elif what is Ending.FINISHED:
            self.client.close()
            if self._half_closed and self.server is not None:
                self._half_closed = False
                self.server.close()
        elif isinstance(what, bytes) and not self._write_frames(what):
            if self.server is not None:
                self.server.abort()
            self.client.close()

    def _write_frames(self, data: bytes) -> bool:
        # Return whether the connection stays open.
        faults = self._faults
        if faults.cut_after is not None and data[:1] == b"\x17":  # TLS application data
            left, faults.cut_after = faults.cut_after, None
            self.client.write(data[:left])
            return False
        for piece, is_text in self._frames.feed(data):
            if is_text and faults.cut_after is not None:
                left, faults.cut_after = faults.cut_after, None
                self.client.write(piece[:left])
                return False
            self.client.write(piece)
            if is_text and faults.repeats:
                faults.repeats -= 1
                self.client.write(piece)
        return True

    # Closing.

    def abort(self) -> None:
        """Close both ends immediately. What is in flight is lost."""
        self._closed = True
        self.client.abort()
        if self.server is not None:
            self.server.abort()
        self.on_end_lost()

    def on_end_lost(self) -> None:
        """Call `on_closed` if both ends are closed. Each end calls this method when it is closed."""
        if self.client.lost and (self.server is None or self.server.lost):
            self._closed = True
            self._on_closed(self)
        elif self.client.lost and self._half_closed:  # the client is gone, so the server need not answer
            self._half_closed = False
            self._up.send(CONTROL_PACKET_BYTES, lambda: self._at_server(Ending.RESET))
