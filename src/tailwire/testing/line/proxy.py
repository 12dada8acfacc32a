"""A TCP proxy with faults: it cuts, swallows, delays, slows down, duplicates or answers."""

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
    """A proxy that forwards to a server, with faults on request.

    ```python
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        client = ... override_client_host(proxy.url) ...
        proxy.shape(Shape(up=from_kbit(64), down=from_kbit(64), queue=5))
        proxy.cut()
    ```

    To reset a connection is to close both of its ends at once; what is in flight is lost.

    Args:
        host: the host of the server.
        port: the port of the server.

    Attributes:
        connections: accepted connections since the start.
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
        """Number of open connections."""
        return len(self._forwarder.pairs)

    @property
    def passed(self) -> tuple[int, int]:
        """Bytes carried from and to the clients since the start; opening and closing a connection counts, too."""
        return self._forwarder.up.passed, self._forwarder.down.passed

    async def start(self) -> None:
        """Start listening on 127.0.0.1, on a free port."""
        self.port = self._acceptor.open(self.port)

    def aim(self, port: int) -> None:
        """Forward new connections to another port."""
        self._forwarder.aim(port)

    # Line shape.

    def shape(self, shape: Shape | None = None) -> None:
        """Set the shape of the line that all connections share; None removes all limits. `restore()` keeps it."""
        self._shape = shape or Shape()
        self._change()

    @property
    def delay(self) -> float:
        """Additional delay in seconds, each way, until `restore()`."""
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
        """Close new connections at once, until `restore()`; open ones stay."""
        self._refusing = True

    def swallow(self) -> None:
        """Leave new connections unanswered until `restore()`, as if packets were lost; open ones stay."""
        self._acceptor.swallow()

    def half_open(self, new: bool = True) -> None:
        """Keep connections open but deliver nothing until `restore()`.

        Args:
            new: whether this includes new connections; if not, they work, as behind a router that lost its state.
        """
        self._faults.half_open |= new
        for pair in self._forwarder.pairs:
            pair.silent = True

    def idle_kill(self, seconds: float) -> None:
        """Reset connections that are idle for this many seconds, as many proxies do, until `restore()`."""
        self._forwarder.end_idle(seconds)

    def answer(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        """Answer every request in the server's place, like a portal or a proxy under maintenance, until `restore()`.

        Open connections are reset. TLS cannot be answered: its connections are closed without a response.

        Raises:
            ValueError: for an invalid status, header or body.
        """
        self._faults.answer = CannedResponse(status, headers or {}, body)
        self.drop()

    def refuse_websockets(self, status: int = 426) -> None:
        """Answer WebSocket upgrades with a status and pass other requests, until `restore()`.

        Open connections are reset. Upgrades cannot be seen in TLS, so nothing is refused there.

        Raises:
            ValueError: for an invalid HTTP status.
        """
        self._faults.upgrade_answer = CannedResponse(status)
        self.drop()

    def cut_mid_frame(self, after: int = 1) -> None:
        """Truncate the server's next text frame after this many bytes and close its connection.

        Frames cannot be seen in TLS: there the next bytes of any kind are truncated.
        """
        self._faults.cut_after = after

    def duplicate(self, frames: int = 1) -> None:
        """Deliver the server's next text frames twice (not over TLS, where frames cannot be seen)."""
        self._faults.repeats = frames

    def restore(self) -> None:
        """End all faults and keep the shape. Swallowed data stays lost.

        Half-open connections are reset.
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
        self._refusing = True
        self._acceptor.close()
        await self._forwarder.close()

    async def __aenter__(self) -> FaultProxy:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
