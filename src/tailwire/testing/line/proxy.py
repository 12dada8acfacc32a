"""A TCP proxy between clients and a server that can go wrong: it cuts, swallows, delays, slows, repeats or answers."""

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
    """Forwards to a server until it is told otherwise.

    ```python
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        client = ... override_client_host(proxy.url) ...
        proxy.shape(Shape(up=kbit(64), down=kbit(64), queue=5))
        proxy.cut()
    ```

    Attributes:
        connections: how many connections it has taken since the start.
    """

    def __init__(self, host: str, port: int) -> None:
        self._faults = Faults()
        self._forwarder = Forwarder(host, port, self._faults)
        self._acceptor = Acceptor(self._taken)
        self._shape = Shape()
        self._refusing = False
        self._delay = 0.0
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """How many connections there are now."""
        return len(self._forwarder.pairs)

    @property
    def passed(self) -> tuple[int, int]:
        """How many bytes the line has carried up and down since the start, one connection's opening counted as 40."""
        return self._forwarder.up.passed, self._forwarder.down.passed

    async def start(self) -> None:
        """Listen."""
        self.port = self._acceptor.open(self.port)

    def aim(self, port: int) -> None:
        """The server is at another port now."""
        self._forwarder.aim(port)

    # What the line can carry.

    def shape(self, shape: Shape | None = None) -> None:
        """Make it a line of this shape, shared by all connections; None: without limits. `restore()` leaves it so."""
        self._shape = shape or Shape()
        self._change()

    @property
    def delay(self) -> float:
        """Seconds by which everything is late, each way, beside the latency of the shape; until `restore()`."""
        return self._delay

    @delay.setter
    def delay(self, seconds: float) -> None:
        self._delay = seconds
        self._change()

    def _change(self) -> None:
        late = self._shape.latency + self._delay
        self._forwarder.up.change(self._shape.up, self._shape.queue, late)
        self._forwarder.down.change(self._shape.down, self._shape.queue, late)

    # What can go wrong.

    def cut(self) -> None:
        """The network is gone: connections are reset, new ones too, until `restore()`."""
        self.refuse()
        self.drop()

    def drop(self) -> None:
        """Reset the connections of now; new ones are taken. What was on its way is lost."""
        self._forwarder.drop()

    def refuse(self) -> None:
        """New connections are reset, until `restore()`; those of now stay."""
        self._refusing = True

    def swallow(self) -> None:
        """New connections get no answer, as if their packets vanished, until `restore()`; those of now stay."""
        self._acceptor.swallow()

    def half_open(self, new: bool = True) -> None:
        """Connections stay, and nothing passes any more, until `restore()`.

        Args:
            new: new connections too; otherwise these are well, as behind a router that forgot those of before.
        """
        self._faults.half_open |= new
        for pair in self._forwarder.pairs:
            pair.silent = True

    def idle_kill(self, seconds: float) -> None:
        """Reset each connection on which nothing has passed for so long, as many proxies do, until `restore()`."""
        self._forwarder.end_idle(seconds)

    def answer(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        """CannedResponse everything in the server's place, as a portal or a proxy under maintenance, until `restore()`.

        The connections of now are reset. TLS cannot be answered: its connections end without a word.

        Raises:
            ValueError: when it is no HTTP answer.
        """
        self._faults.answer = CannedResponse(status, headers or {}, body)
        self.drop()

    def refuse_websockets(self, status: int = 426) -> None:
        """CannedResponse requests for a WebSocket with a status; other requests pass, until `restore()`.

        The connections of now are reset. It cannot be seen in TLS: nothing is refused there.

        Raises:
            ValueError: when it is no HTTP status.
        """
        self._faults.upgrade_answer = CannedResponse(status)
        self.drop()

    def cut_mid_frame(self, after: int = 1) -> None:
        """The next frame of the server breaks off after so many bytes, and its connection ends.

        Over TLS, which it cannot look into, that is so with the next bytes of any kind.
        """
        self._faults.cut_after = after

    def duplicate(self, frames: int = 1) -> None:
        """The next text frames of the server come twice (not over TLS, which it cannot look into)."""
        self._faults.repeats = frames

    def restore(self) -> None:
        """All is well again, and the line has the shape that it had. What was swallowed stays lost.

        Connections that were half-open are reset.
        """
        faults = self._faults
        for pair in [p for p in self._forwarder.pairs if p.silent or faults.half_open]:
            pair.abort()
        self._refusing = faults.half_open = False
        faults.cut_after, faults.repeats, faults.answer, faults.upgrade_answer = None, 0, None, None
        self._acceptor.serve()
        self.idle_kill(0)
        self.delay = 0.0

    def _taken(self, sock: socket.socket) -> None:
        self.connections += 1
        if self._refusing:
            sock.close()
        else:
            self._forwarder.take(sock)

    async def close(self) -> None:
        """Reset everything and stop."""
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
