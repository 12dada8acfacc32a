"""Connections in memory, with a delay, and with everything that can go wrong with them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context, ContextVar, copy_context
from typing import Any

DELAY = 0.005
DEAD_CONNECT = 130.0

owner: ContextVar[str] = ContextVar("owner", default="")
"""Whose work runs: connections, tasks and timers belong to who is named here when they are made.

A name, and behind `#` which of her processes it is.
"""


class _NoSocket:
    # anyio asks a transport for its socket and sets options on it.
    family = socket.AF_INET
    type = socket.SOCK_STREAM

    def setsockopt(self, *_: Any) -> None:
        """Options mean nothing here."""

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", 1)

    def getpeername(self) -> tuple[str, int]:
        return ("127.0.0.1", 2)

    def fileno(self) -> int:
        return -1


class MemoryTransport(asyncio.Transport):
    """One end of a connection. What is written arrives at the other after the network's delay, in order."""

    def __init__(self, network: Network, name: str, of: str) -> None:
        super().__init__({"socket": _NoSocket(), "peername": ("127.0.0.1", 2), "sockname": ("127.0.0.1", 1)})
        self._network = network
        self.name = name
        self.of = of.partition("#")[0]
        self.context = copy_context()  # in which what arrives here is taken
        self.half_open = False
        self.bytes_left: int | None = None
        self._arrives = 0.0
        self.peer: MemoryTransport | None = None
        self.protocol: Any = None
        self._closing = False
        self._gone = False
        self._paused = False
        self._held: deque[bytes | None] = deque()
        self._in_flight = 0
        self.travelling: deque[bytes | None] = deque()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def is_closing(self) -> bool:
        return self._closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing and data:
            self._in_flight += len(data)
            self._network.carry(self, bytes(data))

    def write_eof(self) -> None:
        if not self._closing:
            self._network.carry(self, None)

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return self._in_flight

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """One limit fits all here."""

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        while self._held and not self._paused:
            self._deliver(self._held.popleft())

    def is_reading(self) -> bool:
        return not self._paused

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._network.carry(self, None)
            self._network.loop.call_soon(self._lost, None, context=self.context)

    def abort(self) -> None:
        self._closing = True
        self._network.loop.call_soon(self._lost, None, context=self.context)
        if self.peer is not None:
            self._network.reset(self.peer)

    def _lost(self, error: Exception | None) -> None:
        if not self._gone:
            self._gone = self._closing = True
            self._network.open.pop(self, None)
            protocol, self.protocol = self.protocol, None  # as asyncio's own
            protocol.connection_lost(error)

    def arrived(self, data: bytes | None) -> None:
        """Something came from the other end; None is its end of file."""
        if self._gone:
            return
        if self._paused:
            self._held.append(data)
        else:
            self._deliver(data)

    def _deliver(self, data: bytes | None) -> None:
        if self._gone:
            return
        if data is not None:
            self.protocol.data_received(data)
        elif not self.protocol.eof_received():
            self.close()


class Network:
    """The connections of one virtual loop.

    Attributes:
        delay: seconds from one end to the other.
        jitter: gives what is added to it for each piece; pieces of one connection keep their order, others do not.
        accept_delay: seconds that a new connection takes more.
        refusing: new connections are refused, as when the network is gone.
        offline: of those (see `owner`) new connections are refused.
        dead: processes that were killed.
        swallowing: connections stay, nothing arrives.
        nameless: the name of the server is not found.
        untrusted: no TLS is agreed on.
        connected: how many connections there have been.
    """

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self.delay = DELAY
        self.jitter: Callable[[], float] = float
        self.accept_delay = 0.0
        self.refusing = False
        self.offline: set[str] = set()
        self.dead: set[str] = set()
        self.swallowing = False
        self.nameless = False
        self.untrusted = False
        self.connected = 0
        self.open: dict[MemoryTransport, None] = {}
        self._listening: dict[int, tuple[Callable[[], Any], Context]] = {}

    def listen(self, port: int, factory: Callable[[], Any]) -> None:
        """A server listens at a port; it takes what comes as who it is now (see `owner`)."""
        self._listening[port] = factory, copy_context()

    def stop_listening(self, port: int) -> None:
        """It listens no more."""
        self._listening.pop(port, None)

    async def connect(self, factory: Callable[[], Any], host: str, port: int) -> tuple[MemoryTransport, Any]:
        """Connect to a port."""
        if owner.get() in self.dead:
            raise OSError(9, "Bad file descriptor")
        await asyncio.sleep(self.delay + self.accept_delay + self.jitter())
        if self.swallowing:
            await asyncio.sleep(DEAD_CONNECT)
            raise TimeoutError("timed out")
        if self.nameless:
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        if self.refusing or owner.get().partition("#")[0] in self.offline:
            raise OSError(101, "Network is unreachable")
        serve = self._listening.get(port)
        if serve is None:
            raise ConnectionRefusedError(111, "Connection refused")
        if self.untrusted:
            raise ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
        here, there = MemoryTransport(self, "client", owner.get()), MemoryTransport(self, "server", owner.get())
        factory_there, context = serve
        there.context = context.copy()
        here.peer, there.peer = there, here
        self.open |= {here: None, there: None}
        self.connected += 1
        there.protocol = there.context.run(factory_there)
        there.context.run(there.protocol.connection_made, there)
        here.protocol = factory()
        here.protocol.connection_made(here)
        return here, here.protocol

    def carry(self, source: MemoryTransport, data: bytes | None) -> None:
        """Bytes on their way."""
        left = source.bytes_left
        if left is not None and data is not None:
            data, source.bytes_left = data[:left], max(0, left - len(data))
            if source.bytes_left == 0:
                self.loop.call_later(self.delay, self._break, source)
        # Timers due at the same instant are not kept in order by the loop; what travels on one connection is.
        source.travelling.append(data)
        source._arrives = max(source._arrives, self.loop.time() + self.delay + self.jitter())

        def arrive() -> None:
            first = source.travelling.popleft()
            source._in_flight -= len(first or b"")
            if source.peer is not None and not self.swallowing and not source.half_open:
                source.peer.arrived(first)

        self.loop.call_at(source._arrives, arrive, context=source.peer.context if source.peer is not None else None)

    def _break(self, transport: MemoryTransport) -> None:
        for end in (transport, transport.peer):
            if end is not None:
                end._closing = True
                self._reset_now(end)

    def of(self, name: str) -> Iterable[MemoryTransport]:
        """The open ends of somebody's connections; of all for "", in the order in which they were made."""
        return [t for t in self.open if not name or t.of == name]

    def cut_amid(self, name: str, left: int) -> None:
        """Somebody's connections break after so many bytes more: amid a frame, or an answer."""
        for transport in self.of(name):
            transport.bytes_left = left

    def half_open(self, name: str) -> None:
        """Somebody's connections look open, and nothing arrives on them any more."""
        for transport in self.of(name):
            transport.half_open = True

    def reset(self, transport: MemoryTransport) -> None:
        """The other end was aborted."""
        if not self.swallowing and not transport.half_open:
            error = ConnectionResetError(104, "Connection reset by peer")
            self.loop.call_later(self.delay, transport._lost, error, context=transport.context)

    def cut(self) -> None:
        """Reset all connections; refuse new ones until `restore()`."""
        self.refusing = True
        self.drop()

    def drop(self, name: str = "") -> None:
        """Reset somebody's connections, or all; new ones are taken."""
        for transport in self.of(name):
            transport._closing = True
            self._reset_now(transport)

    def _reset_now(self, transport: MemoryTransport) -> None:
        error = ConnectionResetError(104, "Connection reset by peer")
        self.loop.call_soon(transport._lost, error, context=transport.context)

    def restore(self) -> None:
        """All is well again."""
        if self.swallowing:
            self.drop()
        self.refusing = self.swallowing = self.nameless = self.untrusted = False
        self.offline.clear()
        self.accept_delay = 0.0
