"""A TCP proxy with faults: it cuts connections, loses, delays, limits or duplicates data, or responds by itself."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from types import TracebackType

from tailwire.testing.line.acceptor import Acceptor
from tailwire.testing.line.forwarding import Forwarder
from tailwire.testing.line.pair import Faults
from tailwire.testing.line.responses import CannedResponse
from tailwire.testing.line.shape import Shape


class FaultProxy:
    """A TCP proxy on 127.0.0.1 that forwards connections to a server, with faults on request.

    ```python
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        client = ... override_client_host(proxy.url) ...
        proxy.shape(Shape(up=from_kbit(64), down=from_kbit(64), queue=5))
        proxy.cut()
    ```

    Faults apply to all connections, unless it is said otherwise. To reset a connection is to close both of its ends at
    once; what is in flight is lost.

    Args:
        host: the host of the server.
        port: the port of the server.

    Attributes:
        connections: number of connections accepted since the start, closed and refused ones included.
        port: the port at which the proxy listens; 0 before the start.
    """

    def __init__(self, host: str, port: int) -> None:
        self._faults = Faults()
        self._forwarder = Forwarder(host, port, self._faults)
        self._acceptor = Acceptor(self._on_accepted)
        self._shape = Shape()
        self._refusing = False
        self._delay = 0.0
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        """URL at which the proxy listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """Number of connections that are open or being opened."""
        return len(self._forwarder.pairs)

    @property
    def passed(self) -> tuple[int, int]:
        """Bytes carried since the start: from the clients, and to the clients.

        Opening and closing a connection counts, too, with 40 bytes for each packet that this takes.
        """
        return self._forwarder.up.passed, self._forwarder.down.passed

    async def start(self) -> None:
        """Start listening on 127.0.0.1, on `port`; 0 takes a free one.

        Raises:
            OSError: the port cannot be used.
        """
        self.port = self._acceptor.open(self.port)

    def aim(self, port: int) -> None:
        """Forward new connections to another port of the server's host. Open ones stay."""
        self._forwarder.aim(port)

    # Line shape.

    def shape(self, shape: Shape | None = None) -> None:
        """Set the shape of the line that all connections share; None removes all limits. `restore()` keeps it."""
        self._shape = shape or Shape()
        self._change()

    @property
    def delay(self) -> float:
        """Seconds by which data is delayed each way, in addition to the shape's latency; `restore()` sets it to 0."""
        return self._delay

    @delay.setter
    def delay(self, seconds: float) -> None:
        self._delay = seconds
        self._change()

    def _change(self) -> None:
        late = self._shape.latency + self._delay
        self._forwarder.up.change(self._shape.up, self._shape.queue, late)
        self._forwarder.down.change(self._shape.down, self._shape.queue, late)

    # Faults.

    def cut(self) -> None:
        """Reset all connections and refuse new ones until `restore()`."""
        self.refuse()
        self.drop()

    def drop(self) -> None:
        """Reset all open connections. Data in flight is lost; clients can connect again."""
        self._forwarder.drop()

    def refuse(self) -> None:
        """Until `restore()`, close new connections as soon as they are accepted; open ones stay."""
        self._refusing = True

    def swallow(self) -> None:
        """Until `restore()`, leave attempts to connect unanswered, as if packets were lost; open connections stay."""
        self._acceptor.swallow()

    def half_open(self, new: bool = True) -> None:
        """Keep connections open but deliver nothing on them until `restore()`, which resets them.

        Args:
            new: whether new connections deliver nothing either. If False, they work, as behind a router that has
                forgotten its connections.
        """
        self._faults.half_open |= new
        for pair in self._forwarder.pairs:
            pair.silent = True

    def idle_kill(self, seconds: float) -> None:
        """Until `restore()`, reset connections that are idle for this many seconds, as many proxies do; 0 for none."""
        self._forwarder.end_idle(seconds)

    def answer(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        """Until `restore()`, respond to every request in the server's place, as a captive portal does.

        Open connections are reset. New TLS connections are closed without a response.

        Args:
            status: the HTTP status, 200 to 599.
            headers: the headers; `Content-Length` and `Connection: close` are added.
            body: the body, at most 1,000,000 bytes.

        Raises:
            ValueError: for an invalid status, header or body.
        """
        self._faults.answer = CannedResponse(status, headers or {}, body)
        self.drop()

    def refuse_websockets(self, status: int = 426) -> None:
        """Until `restore()`, respond to WebSocket upgrades with a status, and pass other requests to the server.

        Open connections are reset. In TLS upgrades cannot be recognised and are passed, too.

        Args:
            status: the HTTP status, 200 to 599.

        Raises:
            ValueError: for an invalid HTTP status.
        """
        self._faults.upgrade_answer = CannedResponse(status)
        self.drop()

    def cut_mid_frame(self, after: int = 1) -> None:
        """Truncate the next text frame that the server sends to any client, and close its connection; once.

        In TLS frames cannot be recognised: there the next data that the server sends is truncated.

        Args:
            after: the number of bytes of the frame that are delivered.
        """
        self._faults.cut_after = after

    def duplicate(self, frames: int = 1) -> None:
        """Deliver the next text frames of the server twice, to whichever client they go. Without effect in TLS.

        Args:
            frames: the number of frames.
        """
        self._faults.repeats = frames

    def restore(self) -> None:
        """End all faults and set `delay` to 0; the shape stays.

        Half-open connections are reset. Data that was not delivered stays lost.
        """
        faults = self._faults
        for pair in [p for p in self._forwarder.pairs if p.silent or faults.half_open]:
            pair.abort()
        self._refusing = faults.half_open = False
        faults.cut_after, faults.repeats, faults.answer, faults.upgrade_answer = None, 0, None, None
        self._acceptor.serve()
        self.idle_kill(0)
        self.delay = 0.0

    def _on_accepted(self, sock: socket.socket) -> None:
        self.connections += 1
        if self._refusing:
            sock.close()
        else:
            self._forwarder.take(sock)

    async def close(self) -> None:
        """Reset all connections and stop listening."""
        self._acceptor.close()
        await self._forwarder.close()

    async def __aenter__(self) -> FaultProxy:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
