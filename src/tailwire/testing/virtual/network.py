"""Connections in memory, with a delay, and with everything that can go wrong with them."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

DELAY = 0.005
HIGH_WATER = 64 * 1024


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

    def __init__(self, network: Network, name: str) -> None:
        super().__init__({"socket": _NoSocket(), "peername": ("127.0.0.1", 2), "sockname": ("127.0.0.1", 1)})
        self._network = network
        self.name = name
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
            self._network.loop.call_soon(self._lost, None)

    def abort(self) -> None:
        self._closing = True
        self._network.loop.call_soon(self._lost, None)
        if self.peer is not None:
            self._network.reset(self.peer)

    def _lost(self, error: Exception | None) -> None:
        if not self._gone:
            self._gone = self._closing = True
            self._network.open.discard(self)
            self.protocol.connection_lost(error)

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
        refusing: new connections are refused, as when the network is gone.
        swallowing: connections stay, nothing arrives.
        connected: how many connections there have been.
    """

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self.delay = DELAY
        self.refusing = False
        self.swallowing = False
        self.connected = 0
        self.open: set[MemoryTransport] = set()
        self._listening: dict[int, Callable[[], Any]] = {}

    def listen(self, port: int, factory: Callable[[], Any]) -> None:
        """A server listens at a port."""
        self._listening[port] = factory

    def stop_listening(self, port: int) -> None:
        """It listens no more."""
        self._listening.pop(port, None)

    async def connect(self, factory: Callable[[], Any], host: str, port: int) -> tuple[MemoryTransport, Any]:
        """Connect to a port."""
        await asyncio.sleep(self.delay)
        if self.swallowing:
            await asyncio.sleep(130)
            raise TimeoutError("timed out")
        if self.refusing:
            raise OSError(101, "Network is unreachable")
        serve = self._listening.get(port)
        if serve is None:
            raise ConnectionRefusedError(111, "Connection refused")
        here, there = MemoryTransport(self, "client"), MemoryTransport(self, "server")
        here.peer, there.peer = there, here
        self.open |= {here, there}
        self.connected += 1
        there.protocol = serve()
        there.protocol.connection_made(there)
        here.protocol = factory()
        here.protocol.connection_made(here)
        return here, here.protocol

    def carry(self, source: MemoryTransport, data: bytes | None) -> None:
        """Bytes on their way."""

        # Timers due at the same instant are not kept in order by the loop; what travels on one connection is.
        source.travelling.append(data)

        def arrive() -> None:
            first = source.travelling.popleft()
            source._in_flight -= len(first or b"")
            if source.peer is not None and not self.swallowing:
                source.peer.arrived(first)

        self.loop.call_later(self.delay, arrive)

    def reset(self, transport: MemoryTransport) -> None:
        """The other end was aborted."""
        if not self.swallowing:
            self.loop.call_later(self.delay, transport._lost, ConnectionResetError(104, "Connection reset by peer"))

    def cut(self) -> None:
        """Reset all connections; refuse new ones until `restore()`."""
        self.refusing = True
        self.drop()

    def drop(self) -> None:
        """Reset all connections; new ones are taken."""
        for transport in list(self.open):
            transport._closing = True
            self.loop.call_soon(transport._lost, ConnectionResetError(104, "Connection reset by peer"))

    def restore(self) -> None:
        """All is well again."""
        if self.swallowing:
            self.drop()
        self.refusing = self.swallowing = False
