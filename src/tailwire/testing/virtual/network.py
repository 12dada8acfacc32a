"""Connections in memory, with a delay, and with everything that can go wrong with them."""

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
DEAD_CONNECT = 130.0

current_process: ContextVar[str] = ContextVar("current_process", default="")
"""Whose work runs: connections, tasks and timers belong to who is named here when they are made.

A name, and behind `#` which of their processes it is.
"""


class Network:
    """The connections of one virtual loop.

    Attributes:
        delay: seconds from one end to the other.
        jitter: gives what is added to it for each piece; pieces of one connection keep their order, others do not.
        accept_delay: seconds that a new connection takes more.
        refusing: new connections are refused, as when the network is gone.
        offline: of those (see `current_process`) new connections are refused.
        dead: processes that were killed.
        swallowing: connections stay, nothing arrives.
        nameless: the name of the server is not found.
        untrusted: no TLS is agreed on.
        connected: how many connections there have been.
        names: which addresses a name has.
        lines: the access lines of devices; see `set_line`.
        middleboxes: by device ("" for all), a function that wraps the server's protocol factory (None while the server
            does not listen) and returns the factory to use instead; None refuses the connection.
        holding: seconds for which a proxy keeps what the server sends to a device.
        meter: counts what moves, where it is set.
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
        self.connected = 0
        self.open: dict[MemoryTransport, None] = {}
        self.names = Names()
        self.lines: dict[str, Line] = {}
        self.middleboxes: dict[str, Callable[[Factory | None], Factory | None]] = {}
        self.holding: dict[str, float] = {}
        self.meter: Meter | None = None
        self._idle_killers: dict[str, IdleKiller] = {}
        self._listening: dict[int, tuple[Callable[[], Any], Context]] = {}

    def listen(self, port: int, factory: Callable[[], Any]) -> None:
        """A server listens at a port; it takes what comes as who it is now (see `current_process`)."""
        self._listening[port] = factory, copy_context()

    def stop_listening(self, port: int) -> None:
        """It listens no more."""
        self._listening.pop(port, None)

    async def connect(self, factory: Factory, host: str, port: int) -> tuple[MemoryTransport, Any]:
        """Connect to a port at the first address of a name that is reached."""
        addresses = self.names.of(host)
        if len(addresses) > 1 and self.nameless:
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return self.join(factory, await reach_one(addresses, lambda a: self.reach(a, port)), port)

    async def reach(self, address: str, port: int) -> None:
        """Wait until an address answers at a port.

        Raises:
            OSError: when it does not.
        """
        device = current_process.get().partition("#")[0]
        if current_process.get() in self.dead:
            raise OSError(9, "Bad file descriptor")
        if self.meter is not None:
            self.meter.tried(device)
        line = self.lines.get(device)
        if line is not None:
            await line.connect()
        await asyncio.sleep(self.delay + self.accept_delay + self.jitter())
        if self.swallowing or address in self.names.dead:
            await asyncio.sleep(DEAD_CONNECT)
            raise TimeoutError("timed out")
        if self.nameless:
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        if self.refusing or device in self.offline:
            raise OSError(101, "Network is unreachable")
        self._behind(device, address, port)
        if self.untrusted:
            raise ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")

    def _behind(self, device: str, address: str, port: int) -> tuple[Factory, Context]:
        # What takes a new connection: what stands in between, or the server.
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
        """Make a connection to an address that was reached."""
        here = MemoryTransport(self, "client", current_process.get(), address)
        there = MemoryTransport(self, "server", current_process.get(), address)
        factory_there, context = self._behind(here.of, address, port)
        there.context = context.copy()
        here.peer, there.peer = there, here
        here.moved_at = there.moved_at = self.loop.time()
        self.open |= {here: None, there: None}
        self.connected += 1
        there.protocol = there.context.run(factory_there)
        there.context.run(there.protocol.connection_made, there)
        here.protocol = factory()
        here.protocol.connection_made(here)
        for killer in self._idle_killers.values():
            killer.look()
        return here, here.protocol

    def carry(self, source: MemoryTransport, data: bytes | None) -> None:
        """Bytes on their way."""
        left = source.bytes_left
        if left is not None and data is not None:
            data, source.bytes_left = data[:left], max(0, left - len(data))
            if source.bytes_left == 0:
                self.loop.call_later(self.delay, self._break, source)
        if self._idle_killers and source.peer is not None:
            source.moved_at = source.peer.moved_at = self.loop.time()
        if self.meter is not None:
            self.meter.sent(source.of, source.name == "client", data)
        line = self.lines.get(source.of) if self.lines else None
        if line is not None:
            line.pipe(source).send(source, data)
        else:
            self.travel(source, data)

    def travel(self, source: MemoryTransport, data: bytes | None, latency: float = 0.0) -> None:
        """Bytes on their way through the network, which has no limit."""
        if self.holding and source.name == "server":
            held = self.holding.get(source.of, 0.0)
            if held and data is not None:  # the proxy has taken them, whoever waits behind it
                latency += held
                source.acked += len(data)
                source.taken_early += len(data)
        # Timers due at the same instant are not kept in order by the loop; what travels on one connection is.
        source.travelling.append(data)
        source.arrives = max(source.arrives, self.loop.time() + self.delay + latency + self.jitter())
        context = source.peer.context if source.peer is not None else None
        self.loop.call_at(source.arrives, self.arrive, source, context=context)

    def arrive(self, source: MemoryTransport) -> None:
        """What travels first of a connection is there."""
        first = source.travelling.popleft()
        size = len(first or b"")
        source.in_flight -= size
        if source.peer is not None and not self.swallowing and not source.half_open:
            early = min(size, source.taken_early)
            source.taken_early -= early
            source.acked += size - early
            source.peer.arrived(first)

    def forget(self, transport: MemoryTransport) -> None:
        """A connection is aborted: what waits to be sent on it is not."""
        line = self.lines.get(transport.of)
        if line is not None:
            line.pipe(transport).forget(transport)
        transport.unsent.clear()
        transport.unsent_size = 0

    def _break(self, transport: MemoryTransport) -> None:
        for end in (transport, transport.peer):
            if end is not None:
                end.broken()

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
            line = self.lines.get(transport.of) if self.lines else None
            later = self.delay + (line.up.latency if line is not None else 0.0)
            self.loop.call_later(later, transport.lost_by_reset, context=transport.context)

    def cut(self) -> None:
        """Reset all connections; refuse new ones until `restore()`."""
        self.refusing = True
        self.drop()

    def drop(self, name: str = "") -> None:
        """Reset somebody's connections, or all; new ones are taken."""
        for transport in self.of(name):
            transport.broken()

    # What people have between themselves and the server.

    def set_line(self, name: str, up: float, down: float, queue: float, latency: float = 0.0) -> None:
        """Give a device an access line that all its connections share.

        Args:
            up, down: bytes a second.
            queue: seconds of that rate that wait on the way before a sender has to.
            latency: seconds each way.
        """
        self.lift_line(name)
        self.lines[name] = Line(self, up, down, queue, latency)

    def lift_line(self, name: str) -> None:
        """Take a device's line away: it is as fast as the network."""
        line = self.lines.pop(name, None)
        if line is not None:
            line.lift()

    def kill_idle(self, name: str, seconds: float, *, silently: bool) -> None:
        """End connections of a device, or of all for "", that are silent for so long."""
        if name in self._idle_killers:
            self._idle_killers[name].stop()
        self._idle_killers[name] = IdleKiller(self, name, seconds, silently=silently)

    def lift_proxies(self, name: str) -> None:
        """Let nothing stand between a device and the server any more."""
        self.middleboxes.pop(name, None)
        self.holding.pop(name, None)
        killer = self._idle_killers.pop(name, None)
        if killer is not None:
            killer.stop()

    def move(self, name: str, address: str) -> None:
        """Give the server's name another address. At the old one nobody answers, also on what is connected."""
        old = self.names.move(name, address)
        for transport in self.open:
            transport.half_open = transport.half_open or transport.address in old

    def restore(self) -> None:
        """All is well again."""
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
        self.names.forget()
