"""A connection through the proxy: the client's end, the server's end, and what happens to bytes between them.

Rules: all bytes, and the end of them, travel on the two pipes of the line; what is wrong with the line is asked for
when they arrive; an end is not read from while its pipe is full or the other end does not take what it is given.
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

CONTROL_PACKET_BYTES = 40  # bytes of a packet without content: SYN, FIN, RST


class Ending(Enum):
    """How an end of a connection ends."""

    FINISHED = "finished"
    RESET = "reset"


@dataclass(slots=True)
class Faults:
    """What is wrong with the line now; one object for all its connections.

    Attributes:
        half_open: nothing arrives.
        cut_after: how many bytes of the server's next frame arrive before its connection ends.
        repeats: how many of the server's next text frames come twice.
        answer: what everything is answered with, in the server's place.
        upgrade_answer: what requests for a WebSocket are answered with.
    """

    half_open: bool = False
    cut_after: int | None = None
    repeats: int = 0
    answer: CannedResponse | None = None
    upgrade_answer: CannedResponse | None = None


class End(asyncio.BufferedProtocol):
    """One end of a connection.

    Args:
        pipe: that carries what is read here.
        arrived: called on the pipe's other side with what was read, or with how it ended.
    """

    def __init__(self, pair: Pair, pipe: Pipe, arrived: Callable[[bytes | Ending], None]) -> None:
        self._pair, self._pipe, self._arrived = pair, pipe, arrived
        self._buffer = memoryview(bytearray(MAX_PIECE_BYTES))
        self._reasons: set[str] = set()
        self._transport: asyncio.Transport | None = None
        self._ended = False
        self.lost = False
        self.other: End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._reasons:
            self._transport.pause_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer[: self._pipe.piece]

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._buffer[:nbytes])
        self._pipe.send(nbytes, lambda: self._arrived(data))
        if self._pipe.full and "line" not in self._reasons:
            self.pause("line")
            self._pipe.hold(lambda: self.resume("line"))

    def eof_received(self) -> bool:
        self._end(Ending.FINISHED)
        return True  # it still takes what is on its way to it

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._end(Ending.RESET if exc is not None else Ending.FINISHED)
        self._pair.end_lost()

    def _end(self, how: Ending) -> None:
        if not self._ended:
            self._ended = True
            self._pipe.send(CONTROL_PACKET_BYTES, lambda: self._arrived(how))

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.pause("other end")

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.resume("other end")

    def pause(self, reason: str) -> None:
        """Stop reading, until every reason is gone."""
        self._reasons.add(reason)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self, reason: str) -> None:
        """A reason to stop reading is gone."""
        self._reasons.discard(reason)
        if not self._reasons and self._transport is not None and not self._transport.is_closing() and not self._ended:
            self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Hand bytes over."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def finish(self) -> None:
        """Say that no more bytes come; the end itself still may send."""
        if self._transport is not None and not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()

    def close(self) -> None:
        """End after what was written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End at once; nothing is said of it to the other end."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()


class Pair:
    """A connection through the proxy.

    Args:
        reach: opens the connection to the server, with its end as protocol; called when the client's first packet has
            passed the line. It calls `established` or `unreachable` then.
        gone: called when nothing is left of it.

    Attributes:
        silent: nothing arrives on it any more, whatever becomes of the line.
        touched: when bytes last arrived at either end, on the loop's clock.
    """

    def __init__(
        self, faults: Faults, up: Pipe, down: Pipe, reach: Callable[[Pair], None], gone: Callable[[Pair], None]
    ) -> None:
        self._faults, self._up, self._down = faults, up, down
        self._reach, self._gone = reach, gone
        self._frames = ServerFrames()
        self._head: RequestHead | None = None
        self._answered = False
        self._closed = False
        self.client = End(self, up, self._at_server)
        self.server: End | None = None
        self.silent = False
        self.touched = asyncio.get_running_loop().time()
        self.client.pause("connecting")

    def begin(self) -> None:
        """The client's end is there, and its first packet goes up: connecting costs a round trip."""
        if self._closed:
            self.client.abort()
        else:
            self._up.send(CONTROL_PACKET_BYTES, self._asked)

    @property
    def _swallowed(self) -> bool:
        return self._closed or self.silent or self._faults.half_open

    def _asked(self) -> None:
        if self._swallowed:
            return
        if self._faults.answer is not None or self._faults.upgrade_answer is not None:
            self._head = RequestHead()
        if self._faults.answer is not None:
            self.established()
        else:
            self._reach(self)

    def server_end(self) -> End:
        """Return a new protocol for the connection to the server."""
        self.server = End(self, self._down, self._at_client)
        self.server.other, self.client.other = self.client, self.server
        return self.server

    def established(self) -> None:
        """The server took the connection."""
        if self._closed:  # dropped meanwhile
            self.abort()
            return
        self._tell_client(CONTROL_PACKET_BYTES, lambda: self.client.resume("connecting"))

    def unreachable(self) -> None:
        """There is no server."""
        self._down.send(CONTROL_PACKET_BYTES, self.abort)

    # What arrives behind the line.

    def _at_server(self, what: bytes | Ending) -> None:
        if self._swallowed:
            return
        self.touched = asyncio.get_running_loop().time()
        if isinstance(what, Ending):
            self._client_ended(what)
        elif self._head is not None:
            if not self._answered and self._head.feed(what):
                self._decide(self._head)
        elif self.server is not None:
            self.server.write(what)

    def _client_ended(self, how: Ending) -> None:
        if self.server is None or self._answered:
            self.client.close()
        elif how is Ending.RESET:
            self.server.abort()
        else:
            self.server.close()

    def _decide(self, head: RequestHead) -> None:
        answer = self._faults.answer
        if answer is None and head.is_upgrade:
            answer = self._faults.upgrade_answer
        if answer is None or head.is_tls:
            self._head = None
            if self.server is None:  # nobody is there who could speak TLS
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
            self._tell_client(len(piece), partial(self.client.write, piece))
        self._tell_client(CONTROL_PACKET_BYTES, self.client.finish)

    def _tell_client(self, size: int, what: Callable[[], None]) -> None:
        def arrive() -> None:
            if not self._swallowed:
                what()

        self._down.send(size, arrive)

    def _at_client(self, what: bytes | Ending) -> None:
        if self._swallowed or self._answered:
            return
        self.touched = asyncio.get_running_loop().time()
        if what is Ending.RESET:
            self.client.abort()
        elif what is Ending.FINISHED:
            self.client.close()
        elif isinstance(what, bytes) and not self._write_frames(what):
            if self.server is not None:
                self.server.abort()
            self.client.close()

    def _write_frames(self, data: bytes) -> bool:
        # Whether the connection goes on.
        faults = self._faults
        if faults.cut_after is not None and data[:1] == b"\x17":  # TLS
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

    # Its end.

    def abort(self) -> None:
        """End both ends at once."""
        self._closed = True
        self.client.abort()
        if self.server is not None:
            self.server.abort()
        self.end_lost()

    def end_lost(self) -> None:
        """One of the ends is gone."""
        if self.client.lost and (self.server is None or self.server.lost):
            self._closed = True
            self._gone(self)
