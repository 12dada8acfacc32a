"""A device's access line: rate, queue and latency, shared by all its connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING

from tailwire.testing.virtual.meter import HEADER_BYTES, PACKET_BYTES
from tailwire.testing.virtual.transport import MemoryTransport

if TYPE_CHECKING:
    from tailwire.testing.virtual.network import Network


class Pipe:
    """One direction of a line: packets leave its queue in order, at its rate.

    While the queue is full, the connections keep their data and take turns of one packet each.

    Args:
        network: delivers the packets that leave the line.
        rate: bytes per second.
        queue: the size of the queue, in seconds of data at that rate.
        latency: seconds that a packet takes after it has left the queue.
        acknowledges: see `Network.set_line`.
    """

    def __init__(self, network: Network, rate: float, queue: float, latency: float, *, acknowledges: bool) -> None:
        self._network = network
        self._acknowledges = acknowledges
        self._rate = rate
        self._max_queued = max(rate * queue, PACKET_BYTES + HEADER_BYTES)
        self.latency = latency
        self._packets: deque[tuple[int, Callable[[], None]]] = deque()
        self._queued = 0
        self._waiting: dict[MemoryTransport, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def send(self, source: MemoryTransport, data: bytes | None) -> None:
        """Add data of a connection's end, or its end of file (None), to what it sends in this direction."""
        source.unsent.append(data)
        source.unsent_size += len(data or b"")
        self._waiting[source] = None
        self._fill()
        source.wait_if_full()

    async def trip(self) -> None:
        """Send a packet without data, as for opening a connection, and wait until it has left the line."""
        there: asyncio.Future[None] = self._network.loop.create_future()
        self._put(HEADER_BYTES, lambda: self._network.loop.call_later(self.latency, _end, there))
        await there

    def drop_unsent(self, source: MemoryTransport) -> None:
        """Drop the data of an aborted connection that is not queued yet. Queued packets are still delivered."""
        self._waiting.pop(source, None)

    def lift(self) -> None:
        """Remove the rate limit for good, and pass on at once all data that waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._rate = self._max_queued = float("inf")
        while self._packets:
            self._packets.popleft()[1]()
        self._fill()

    def _fill(self) -> None:
        while self._waiting and (self._queued + PACKET_BYTES + HEADER_BYTES <= self._max_queued or not self._packets):
            source = next(iter(self._waiting))
            del self._waiting[source]
            data = source.next_packet(PACKET_BYTES)
            if source.unsent:
                self._waiting[source] = None
            if self._acknowledges and data is not None:
                source.acked += len(data)
                source.taken_early += len(data)
            then = partial(self._network.travel, source, data, self.latency)
            if self._rate == float("inf"):
                then()
            else:
                self._put(len(data or b"") + HEADER_BYTES, then)

    def _put(self, size: int, then: Callable[[], object]) -> None:
        self._packets.append((size, lambda: (then(), None)[1]))
        self._queued += size
        if self._timer is None:
            self._arm()

    def _arm(self) -> None:
        # The timer belongs to no process, so that the line keeps running when one is killed.
        seconds = self._packets[0][0] / self._rate
        self._timer = Context().run(self._network.loop.call_later, seconds, self._leave)

    def _leave(self) -> None:
        size, then = self._packets.popleft()
        self._queued -= size
        self._timer = None
        then()
        if self._packets:
            self._arm()
        self._fill()


class Line:
    """A device's access line, in both directions.

    Args:
        up, down: bytes per second.
        queue: the size of the queue of each direction, in seconds of data at its rate.
        latency: seconds each way, in addition to the network's own delay.
        acknowledges: see `Network.set_line`.
    """

    def __init__(
        self, network: Network, up: float, down: float, queue: float, latency: float, *, acknowledges: bool = False
    ) -> None:
        self.up = Pipe(network, up, queue, latency, acknowledges=acknowledges)
        self.down = Pipe(network, down, queue, latency, acknowledges=acknowledges)

    def pipe(self, source: MemoryTransport) -> Pipe:
        """Return the direction in which this end of a connection sends."""
        return self.up if source.name == "client" else self.down

    async def connect(self) -> None:
        """Wait for a round trip over the line, which opening a connection takes."""
        await self.up.trip()
        await self.down.trip()

    def lift(self) -> None:
        """Remove the limits of both directions for good, and pass on at once all data that waits."""
        self.up.lift()
        self.down.lift()


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
