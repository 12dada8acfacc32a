"""One end of an in-memory connection."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import struct
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailwire.testing.virtual.network import Network

HIGH_WATER_BYTES = 64 * 1024
BYTES_ACKED = struct.Struct("=120xQ")
"""Linux's `tcp_info` up to `tcpi_bytes_acked`; all other fields are 0."""


class _Socket:
    # anyio sets options on a transport's socket, and the server reads TCP_INFO from it.
    family = socket.AF_INET
    type = socket.SOCK_STREAM

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport

    def setsockopt(self, *_: Any) -> None:
        """Ignore socket options."""

    def getsockopt(self, level: int, option: int, size: int = 0) -> int | bytes:
        """Return `TCP_INFO` as on Linux, with only `tcpi_bytes_acked` set; 0 or zero bytes for other options."""
        if (level, option) != (socket.IPPROTO_TCP, getattr(socket, "TCP_INFO", 11)):
            return bytes(size) if size else 0
        return BYTES_ACKED.pack(self._transport.acked)[:size].ljust(min(size, 232), b"\0")

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", 1)

    def getpeername(self) -> tuple[str, int]:
        return ("127.0.0.1", 2)

    def fileno(self) -> int:
        """Return a descriptor that is never readable if this is a client's idle, open connection; otherwise -1.

        HTTP connection pools poll the descriptor to find out whether an idle connection was closed.
        """
        return _quiet_descriptor() if self._transport.name == "client" and self._transport.is_quiet else -1


@functools.cache
def _quiet_descriptor() -> int:
    reading, _ = os.pipe()  # never written to; both ends stay open as long as the process
    return reading


class MemoryTransport(asyncio.Transport):
    """One end of a connection. Written data arrives at the other end after the network's delay, in order.

    Args:
        network: carries what is written.
        name: which end this is: `client` or `server`.
        process: the process that opened the connection (see `current_process`); the same for both ends.
        address: the address that was connected to.

    Attributes:
        device: the device that opened the connection; the same for both ends.
        context: the context in which the protocol of this end runs.
        peer: the other end; None until it is connected.
        half_open: whether what this end writes is lost, while the connection stays open.
        acked: number of written bytes that the other end, or a proxy on the way (`Network.set_line`), has acknowledged.
        taken_early: number of these bytes that only a proxy has acknowledged: they have not arrived at the other end.
        moved_at: when bytes were last written at either end, on the loop's clock; only kept while there is an
            `IdleKiller`.
        bytes_left: number of bytes that this end can still write before the network resets the connection; None for
            no limit.
        arrives_at: when the last written data arrives at the other end, on the loop's clock.
        unsent: data that waits because the queue of the device's line is full.
        unsent_size: the number of bytes in `unsent`.
        in_flight: number of written bytes that have not arrived at the other end.
        travelling: the packets on their way to the other end, in order; None is an end of file.
    """

    def __init__(self, network: Network, name: str, process: str, address: str = "") -> None:
        super().__init__({"socket": _Socket(self), "peername": ("127.0.0.1", 2), "sockname": ("127.0.0.1", 1)})
        self._network = network
        self.name = name
        self.device = process.partition("#")[0]
        self.address = address
        self.context = copy_context()  # context in which received data is handled
        self.half_open = False
        self.bytes_left: int | None = None
        self.acked = self.taken_early = 0
        self.moved_at = 0.0
        self.arrives_at = 0.0
        self.peer: MemoryTransport | None = None
        self.protocol: Any = None
        self.unsent: deque[bytes | None] = deque()
        self.unsent_size = 0
        self._high, self._low = HIGH_WATER_BYTES, HIGH_WATER_BYTES // 4
        self._writing_paused = False
        self._closing = False
        self._gone = False
        self._ended = False  # the other end has sent its end of file
        self._paused = False
        self._held: deque[bytes | None] = deque()
        self.in_flight = 0
        self.travelling: deque[bytes | None] = deque()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    @property
    def is_quiet(self) -> bool:
        """Whether the connection is open at both ends, and no received data waits for the protocol."""
        return not (self._closing or self._gone or self._held or self._ended)

    def is_closing(self) -> bool:
        return self._closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing and data:
            self.in_flight += len(data)
            self._network.carry(self, bytes(data))

    def write_eof(self) -> None:
        if not self._closing:
            self._network.carry(self, None)

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return self.unsent_size if self.device in self._network.lines else self.in_flight

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the limits of the write buffer, as asyncio does. They have an effect only if the device has a line."""
        if high is None:
            high = HIGH_WATER_BYTES if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low
        if self.unsent:
            self.wait_if_full()

    def wait_if_full(self) -> None:
        """Call the protocol's `pause_writing` if the unsent data exceeds the upper limit of the write buffer."""
        if self.unsent_size > self._high and not self._writing_paused and self.protocol is not None:
            self._writing_paused = True
            self.protocol.pause_writing()

    def next_packet(self, most: int) -> bytes | None:
        """Remove the first packet (at most `most` bytes) from the unsent data, and return it; None for end of file."""
        first = self.unsent.popleft()
        if first is not None:
            if len(first) > most:
                self.unsent.appendleft(first[most:])
                first = first[:most]
            self.unsent_size -= len(first)
        if self._writing_paused and self.unsent_size <= self._low:
            self._writing_paused = False
            self._network.loop.call_soon(self._resume_writing, context=self.context)
        return first

    def _resume_writing(self) -> None:
        if not (self._gone or self._writing_paused):
            self.protocol.resume_writing()

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
        self._network.drop_unsent(self)
        self._network.loop.call_soon(self._lost, None, context=self.context)
        if self.peer is not None:
            self._network.reset(self.peer)

    def broken(self) -> None:
        """Close this end because the network resets the connection; the protocol learns of it soon."""
        self._closing = True
        self._network.drop_unsent(self)
        self._network.loop.call_soon(self.lost_by_reset, context=self.context)

    def lost_by_reset(self) -> None:
        """Call the protocol's `connection_lost` with `ConnectionResetError`, unless it was called before."""
        self._lost(ConnectionResetError(104, "Connection reset by peer"))

    def _lost(self, error: Exception | None) -> None:
        if not self._gone:
            self._gone = self._closing = True
            self._network.open.pop(self, None)
            protocol, self.protocol = self.protocol, None  # as asyncio does
            protocol.connection_lost(error)

    def arrived(self, data: bytes | None) -> None:
        """Pass data that has arrived (None for an end of file) to the protocol, or keep it while reading is paused."""
        if self._gone:
            return
        if self._paused:
            self._held.append(data)
        else:
            self._deliver(data)

    def _deliver(self, data: bytes | None) -> None:
        if self._gone:
            return
        self._ended = self._ended or data is None
        if data is not None:
            self.protocol.data_received(data)
        elif not self.protocol.eof_received():
            self.close()
