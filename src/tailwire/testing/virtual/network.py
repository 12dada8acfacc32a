"""An in-memory network: connections with a delay, and with the faults that tests need."""

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
"""The name of the simulated process that runs; "" for none.

Connections, tasks and timers belong to the process that is set when they are made. If a device or server has several
processes, their names are its name, `#`, and what distinguishes them: `alice#2` is the second process of `alice`.
"""


class Network:
    """The network of a virtual loop. Devices are named by the part of `current_process` before the `#`.

    Attributes:
        loop: the virtual loop.
        delay: seconds from one end of a connection to the other.
        jitter: returns additional seconds for each packet. Packets of a connection keep their order; those of different
            connections may overtake each other.
        accept_delay: additional seconds until a new connection is accepted.
        refusing: whether all new connections fail, as without a network; open ones stay.
        offline: devices whose new connections fail.
        dead: processes that were killed; their new connections fail.
        swallowing: whether nothing is delivered: open connections stay open, and attempts time out after 130 s.
        nameless: whether no name can be resolved.
        untrusted: whether TLS handshakes fail.
        connection_count: connections made so far.
        joined_at: when the latest connection of each device was made, by device, on the loop's clock.
        open: both ends of each open connection, in the order in which they were made (an ordered set).
        names: the addresses of host names.
        lines: access lines by device; see `set_line`.
        middleboxes: the middlebox between a device and the server, by device; "" for all devices without one of their
            own. It takes the factory of the server's protocols (None while the server does not listen) and returns the
            factory to use in its place; None refuses the connection.
        holding: by device, seconds for which a proxy keeps data that the server sends, which it acknowledges at once.
        meter: counts traffic; None if traffic is not counted.
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
        """Listen on a port: from now on each connection to it calls `factory` for a protocol.

        The protocols run as the process that has called this method (see `current_process`).
        """
        self._listening[port] = factory, copy_context()

    def stop_listening(self, port: int) -> None:
        """Stop listening on a port; open connections stay. Without effect if it does not listen."""
        self._listening.pop(port, None)

    def listener(self, port: int) -> tuple[Factory, Context]:
        """Return the protocol factory of a port, and a copy of the context in which its protocols run.

        Raises:
            ConnectionRefusedError: nothing listens.
        """
        if port not in self._listening:
            raise ConnectionRefusedError(111, "Connection refused")
        factory, context = self._listening[port]
        return factory, context.copy()

    async def connect(self, factory: Factory, host: str, port: int) -> tuple[MemoryTransport, Any]:
        """Connect to a port at the first address of a name that can be reached.

        Args:
            factory: returns the protocol of the client's end.
            host: the name or address.
            port: the port.

        Returns:
            The client's transport and protocol.

        Raises:
            OSError: no address can be reached.
        """
        addresses = self.names.of(host)
        if len(addresses) > 1 and self.nameless:
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return self.join(factory, await reach_one(addresses, lambda a: self.reach(a, port)), port)

    async def reach(self, address: str, port: int) -> None:
        """Wait until a connection of the current process to an address and port would be accepted; make none.

        Raises:
            OSError: if it is not accepted, because of a fault or because nothing listens.
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
        # Return the protocol factory for a new connection, that of a middlebox or of the server, and its context.
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
        """Make a connection to an address for which `reach` has returned; return the client's transport and protocol.

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
        """Send data that an end of a connection has written; None for its end of file.

        It goes into the access line of the connection's device, or directly into the network if there is none.
        """
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
        """Schedule the delivery of data (None for an end of file) after the network's delay, in the sender's order.

        Args:
            source: the end that has sent the data.
            data: the data.
            latency: additional seconds, as those of an access line.
        """
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
        """Deliver the oldest packet that this end has sent and that has not arrived, or lose it because of a fault."""
        first = source.travelling.popleft()
        size = len(first or b"")
        source.in_flight -= size
        if source.peer is not None and not self.swallowing and not source.half_open:
            early = min(size, source.taken_early)
            source.taken_early -= early
            source.acked += size - early
            source.peer.arrived(first)

    def drop_unsent(self, transport: MemoryTransport) -> None:
        """Drop the data of an aborted connection that waits for the access line."""
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
        """Return both open ends of each connection of a device, in the order in which they were made; "" for all."""
        return [t for t in self.open if not name or t.device == name]

    def cut_amid(self, name: str, byte_count: int) -> None:
        """Reset each open connection of a device once one of its ends has sent this many more bytes.

        What was sent before may still arrive, so that a frame or a response can end in its middle.
        """
        for transport in self.of(name):
            transport.bytes_left = byte_count

    def half_open(self, name: str) -> None:
        """Make the open connections of a device ("" for all) half-open: they stay open, but deliver nothing."""
        for transport in self.of(name):
            transport.half_open = True

    def reset(self, transport: MemoryTransport) -> None:
        """Report to this end of a connection, after the network's delay, that the other end was aborted."""
        if not self.swallowing and not transport.half_open:
            line = self.lines.get(transport.device) if self.lines else None
            later = self.delay + (line.up.latency if line is not None else 0.0)
            self.loop.call_later(later, transport.lost_by_reset, context=transport.context)

    def cut(self) -> None:
        """Reset all connections and refuse new ones until `restore()`."""
        self.refusing = True
        self.drop()

    def drop(self, name: str = "") -> None:
        """Reset the open connections of a device; "" for all. New ones can be made."""
        for transport in self.of(name):
            transport.broken()

    # Access lines and middleboxes.

    def set_line(
        self, name: str, up: float, down: float, queue: float, latency: float = 0.0, *, acknowledges: bool = False
    ) -> None:
        """Give a device an access line that all its connections share, in place of its former one.

        Args:
            name: the device.
            up, down: bytes per second from and to the device.
            queue: the size of the queue of each direction, in seconds of data at its rate.
            latency: seconds each way, in addition to `delay`.
            acknowledges: whether a proxy in front of the line acknowledges data that still waits for the line, so that
                senders cannot see whether the data moves.
        """
        self.lift_line(name)
        self.lines[name] = Line(self, up, down, queue, latency, acknowledges=acknowledges)

    def lift_line(self, name: str) -> None:
        """Remove a device's access line, if it has one; data that waits for it is passed on at once."""
        line = self.lines.pop(name, None)
        if line is not None:
            line.lift()

    def kill_idle(self, name: str, seconds: float, *, silently: bool) -> None:
        """From now on, end connections of a device that are idle for this many seconds.

        Args:
            name: the device; "" for all.
            seconds: how long a connection may be idle.
            silently: whether the connections become half-open; otherwise they are reset (see `IdleKiller`).
        """
        if name in self._idle_killers:
            self._idle_killers[name].stop()
        self._idle_killers[name] = IdleKiller(self, name, seconds, silently=silently)

    def lift_proxies(self, name: str) -> None:
        """End `middleboxes`, `holding` and `kill_idle` of a device; for "", those that were set for all devices."""
        self.middleboxes.pop(name, None)
        self.holding.pop(name, None)
        killer = self._idle_killers.pop(name, None)
        if killer is not None:
            killer.stop()

    def move(self, name: str, address: str) -> None:
        """Give a host name another address. The former addresses, and connections to them, stop responding."""
        old = self.names.move(name, address)
        for transport in self.open:
            transport.half_open = transport.half_open or transport.address in old

    def restore(self) -> None:
        """End all faults of the network, and remove all access lines, middleboxes and addresses of names.

        If `swallowing` was set, all connections are reset. `delay` and `jitter` stay, and so do the faults that were
        set for open connections (`half_open`, `cut_amid`).
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
