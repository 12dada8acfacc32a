"""In-memory connections with a delay, and with every fault that a test needs."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable
from contextvars import Context, ContextVar, copy_context
from typing import Any

from tailwire.testing.virtual.access import Line
from tailwire.testing.virtual.meter import Meter
from tailwire.testing.virtual.middleboxes import Factory, IdleKiller
from tailwire.testing.virtual.names import Names, reach_one
from tailwire.testing.virtual.transport import MemoryTransport

DELAY_SECONDS = 0.005
CONNECT_TIMEOUT_SECONDS = 130.0

current_process: ContextVar[str] = ContextVar("current_process", default="")
"""The running process: connections, tasks and timers belong to the process that is set when they are made.

It is the name of a device or server, followed by `#` and the number of its process.
"""


class Network:
    """The connections of one virtual loop.

    Attributes:
        delay: seconds from one end to the other.
        jitter: returns the additional seconds of a packet; order is kept within a connection, not between connections.
        accept_delay: additional seconds until a new connection is accepted.
        refusing: whether new connections fail, as without a network; open ones stay.
        offline: devices (see `current_process`) whose new connections fail.
        dead: processes that were killed.
        swallowing: whether nothing is delivered: open connections stay open, and attempts time out after 130 s.
        nameless: whether no name can be resolved.
        untrusted: whether TLS handshakes fail.
        connection_count: connections made so far.
        joined_at: when the last connection of each device was made, by device, on the loop's clock.
        open: both ends of each open connection, in the order in which they were made.
        names: the addresses of names.
        lines: access lines by device; see `set_line`.
        middleboxes: by device ("" for all), a function that wraps the server's protocol factory (None while the server
            does not listen) and returns the factory to use instead; None refuses the connection.
        holding: by device, seconds for which a proxy keeps what the server sends.
        meter: counts traffic; None if nobody counts.
    """

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self.delay = DELAY_SECONDS
        self.jitter: Callable[[], float] = float
        self.accept_delay = 0.0
        self.refusing = False
        self.offline: set[str] = set()
        self.dead: set[str] = set()
        self.swallowing = False
        self.nameless = False
        self.untrusted = False
        self.connection_count = 0
        self.joined_at: dict[str, float] = {}
        self.open: dict[MemoryTransport, None] = {}
        self.names = Names()
        self.lines: dict[str, Line] = {}
        self.middleboxes: dict[str, Callable[[Factory | None], Factory | None]] = {}
        self.holding: dict[str, float] = {}
        self.meter: Meter | None = None
        self._idle_killers: dict[str, IdleKiller] = {}
        self._listening: dict[int, tuple[Callable[[], Any], Context]] = {}

    def listen(self, port: int, factory: Callable[[], Any]) -> None:
        """Listen on a port; connections are accepted as the current process (see `current_process`)."""
        self._listening[port] = factory, copy_context()

    def stop_listening(self, port: int) -> None:
        """Stop listening."""
        self._listening.pop(port, None)

    def listener(self, port: int) -> tuple[Factory, Context]:
        """Return the server's protocol factory of a port, and the context of its process.

        Raises:
            ConnectionRefusedError: nothing listens.
        """
        if port not in self._listening:
            raise ConnectionRefusedError(111, "Connection refused")
        factory, context = self._listening[port]
        return factory, context.copy()

    async def connect(self, factory: Factory, host: str, port: int) -> tuple[MemoryTransport, Any]:
        """Connect to a port at the first address of a name that can be reached.

        Raises:
            OSError: no address can be reached.
        """
        addresses = self.names.of(host)
        if len(addresses) > 1 and self.nameless:
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return self.join(factory, await reach_one(addresses, lambda a: self.reach(a, port)), port)

    async def reach(self, address: str, port: int) -> None:
        """Wait until a connection to an address and port is accepted.

        Raises:
            OSError: if no connection is accepted.
        """
        device = current_process.get().partition("#")[0]
        if current_process.get() in self.dead:
            raise OSError(9, "Bad file descriptor")
        if self.meter is not None:
            self.meter.count_attempt(device)
        line = self.lines.get(device)
        if line is not None:
            await line.connect()
        await asyncio.sleep(self.delay + self.accept_delay + self.jitter())
        if self.swallowing or address in self.names.dead:
            await asyncio.sleep(CONNECT_TIMEOUT_SECONDS)
            raise TimeoutError("timed out")
        if self.nameless:
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        if self.refusing or device in self.offline:
            raise OSError(101, "Network is unreachable")
        self._factory_for(device, address, port)
        if self.untrusted:
            raise ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")

    def _factory_for(self, device: str, address: str, port: int) -> tuple[Factory, Context]:
        # The factory for a new connection: the middlebox's, or the server's.
        factory, context = self._listening.get(port, (None, None))
        if address in self.names.refused:
            factory = None
        middle = self.middleboxes.get(device) or self.middleboxes.get("")
        if middle is not None:
            factory = middle(factory)
        if factory is None:
            raise ConnectionRefusedError(111, "Connection refused")
        return factory, context if context is not None else Context()

    def join(self, factory: Factory, address: str, port: int) -> tuple[MemoryTransport, Any]:
        """Make a connection to an address that `reach` has reached.

        Raises:
            ConnectionRefusedError: the server has stopped listening since.
        """
        here = MemoryTransport(self, "client", current_process.get(), address)
        there = MemoryTransport(self, "server", current_process.get(), address)
        factory_there, context = self._factory_for(here.device, address, port)
        there.context = context.copy()
        here.peer, there.peer = there, here
        here.moved_at = there.moved_at = self.loop.time()
        self.open |= {here: None, there: None}
        self.connection_count += 1
        self.joined_at[here.device] = self.loop.time()
        there.protocol = there.context.run(factory_there)
        there.context.run(there.protocol.connection_made, there)
        here.protocol = factory()
        here.protocol.connection_made(here)
        for killer in self._idle_killers.values():
            killer.look()
        return here, here.protocol

    def carry(self, source: MemoryTransport, data: bytes | None) -> None:
        """Send data into the sender's access line, or directly into the network."""
        left = source.bytes_left
        if left is not None and data is not None:
            data, source.bytes_left = data[:left], max(0, left - len(data))
            if source.bytes_left == 0:
                self.loop.call_later(self.delay, self._break, source)
        if self._idle_killers and source.peer is not None:
            source.moved_at = source.peer.moved_at = self.loop.time()
        if self.meter is not None:
            self.meter.count_data(source.device, source.name == "client", data)
        line = self.lines.get(source.device) if self.lines else None
        if line is not None:
            line.pipe(source).send(source, data)
        else:
            self.travel(source, data)

    def travel(self, source: MemoryTransport, data: bytes | None, latency: float = 0.0) -> None:
        """Schedule the delivery of data after the network's delay; the network itself has no capacity limit."""
        if self.holding and source.name == "server":
            held = self.holding.get(source.device, 0.0)
            if held and data is not None:  # the proxy acknowledges it, even if the device cannot be reached
                latency += held
                source.acked += len(data)
                source.taken_early += len(data)
        # The loop does not keep timers with equal deadlines in order, so each connection keeps its own queue.
        source.travelling.append(data)
        source.arrives_at = max(source.arrives_at, self.loop.time() + self.delay + latency + self.jitter())
        context = source.peer.context if source.peer is not None else None
        self.loop.call_at(source.arrives_at, self.arrive, source, context=context)

    def arrive(self, source: MemoryTransport) -> None:
        """Deliver the next packet that this end has sent."""
        first = source.travelling.popleft()
        size = len(first or b"")
        source.in_flight -= size
        if source.peer is not None and not self.swallowing and not source.half_open:
            early = min(size, source.taken_early)
            source.taken_early -= early
            source.acked += size - early
            source.peer.arrived(first)

    def drop_unsent(self, transport: MemoryTransport) -> None:
        """Drop the unsent data of an aborted connection."""
        line = self.lines.get(transport.device)
        if line is not None:
            line.pipe(transport).drop_unsent(transport)
        transport.unsent.clear()
        transport.unsent_size = 0

    def _break(self, transport: MemoryTransport) -> None:
        for end in (transport, transport.peer):
            if end is not None:
                end.broken()

    def of(self, name: str) -> Iterable[MemoryTransport]:
        """Return the open ends of a device's connections in the order in which they were made; "" for all."""
        return [t for t in self.open if not name or t.device == name]

    def cut_amid(self, name: str, byte_count: int) -> None:
        """Break each connection of a device once an end has sent this many more bytes: amid a frame or a response."""
        for transport in self.of(name):
            transport.bytes_left = byte_count

    def half_open(self, name: str) -> None:
        """Make a device's connections half-open: they stay open, but deliver nothing from now on."""
        for transport in self.of(name):
            transport.half_open = True

    def reset(self, transport: MemoryTransport) -> None:
        """Reset a connection whose other end was aborted."""
        if not self.swallowing and not transport.half_open:
            line = self.lines.get(transport.device) if self.lines else None
            later = self.delay + (line.up.latency if line is not None else 0.0)
            self.loop.call_later(later, transport.lost_by_reset, context=transport.context)

    def cut(self) -> None:
        """Reset all connections and refuse new ones until `restore()`."""
        self.refusing = True
        self.drop()

    def drop(self, name: str = "") -> None:
        """Reset a device's connections; "" for all. New ones can be made."""
        for transport in self.of(name):
            transport.broken()

    # Access lines and middleboxes.

    def set_line(
        self, name: str, up: float, down: float, queue: float, latency: float = 0.0, *, acknowledges: bool = False
    ) -> None:
        """Give a device an access line that all its connections share.

        Args:
            up, down: bytes per second.
            queue: seconds of data, at that rate, that are queued before a sender has to wait.
            latency: seconds each way.
            acknowledges: whether a proxy in front of the line acknowledges data that still waits for the line, so that
                senders cannot see that the data moves.
        """
        self.lift_line(name)
        self.lines[name] = Line(self, up, down, queue, latency, acknowledges=acknowledges)

    def lift_line(self, name: str) -> None:
        """Remove a device's access line."""
        line = self.lines.pop(name, None)
        if line is not None:
            line.lift()

    def kill_idle(self, name: str, seconds: float, *, silently: bool) -> None:
        """Close connections of a device ("" for all) that are idle for this many seconds.

        Args:
            name: the device.
            seconds: how long a connection may be idle.
            silently: see `IdleKiller`.
        """
        if name in self._idle_killers:
            self._idle_killers[name].stop()
        self._idle_killers[name] = IdleKiller(self, name, seconds, silently=silently)

    def lift_proxies(self, name: str) -> None:
        """Remove a device's portals and proxies."""
        self.middleboxes.pop(name, None)
        self.holding.pop(name, None)
        killer = self._idle_killers.pop(name, None)
        if killer is not None:
            killer.stop()

    def move(self, name: str, address: str) -> None:
        """Give the server's name another address. The old one, and connections to it, stop responding."""
        old = self.names.move(name, address)
        for transport in self.open:
            transport.half_open = transport.half_open or transport.address in old

    def restore(self) -> None:
        """End all faults of the network, and remove all lines, portals, proxies and addresses.

        If nothing was delivered (`swallowing`), all connections are reset. `delay` and `jitter` stay, and so do the
        faults of open connections (`half_open`, `cut_amid`).
        """
        if self.swallowing:
            self.drop()
        self.refusing = self.swallowing = self.nameless = self.untrusted = False
        self.offline.clear()
        self.accept_delay = 0.0
        for name in list(self.lines):
            self.lift_line(name)
        for killer in self._idle_killers.values():
            killer.stop()
        self._idle_killers.clear()
        self.middleboxes.clear()
        self.holding.clear()
        self.names.clear()
