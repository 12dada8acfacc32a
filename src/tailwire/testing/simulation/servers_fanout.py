"""The fan-out of one server and its sockets, for the simulation of several servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from tailwire.server.fanout.hub import Hub
from tailwire.server.fanout.log import MessageLog
from tailwire.server.ports.broker import (
    FramePublication,
    MembershipChange,
    conversation_subjects,
    group_subject,
    user_subject,
)
from tailwire.server.ports.change_log import ChangeRow, receivers_of
from tailwire.server.ports.changes import ChangeFeed
from tailwire.server.ports.log import LoggedMessage
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.metrics import Metrics
from tailwire.testing.simulation.servers_broker import TICK, Bus, SimulatedRemote
from tailwire.testing.simulation.servers_store import GUID, SYSTEM, SharedStore


def _frame(message: LoggedMessage) -> FramePublication:
    return FramePublication(b'{"m":%d}' % message.row.id, before=message.before, id=message.row.id)


async def _change_frame(row: ChangeRow) -> bytes:
    await asyncio.sleep(0.001)
    return b'{"c":%d}' % row.number


class SimulatedServer:
    """The fan-out of one server."""

    def __init__(self, number: int, store: SharedStore, bus: Bus) -> None:
        self.number = number
        self._store = store
        self._chance = bus.chance
        loop, metrics = asyncio.get_running_loop(), Metrics()
        self.remote = SimulatedRemote(bus, number)
        self.log = MessageLog(self.remote, store, ChangeFeed(), metrics, loop)
        self.hub = Hub(self.log, metrics, loop.call_soon, slow_close=1 << 30)
        self.sockets: dict[Socket, None] = {}  # a set would have a different order in each process
        self.dead = False
        self._lane = asyncio.Lock()

    async def start(self) -> None:
        """Start the server."""
        self.log.attach(self.hub, _frame, _change_frame)
        await self.log.start()

    async def kill(self) -> None:
        """Kill the server: commits that it has not published yet are never published."""
        self.dead = True
        for socket in list(self.sockets):
            socket.lost()
        await self.log.close()

    async def _pause(self) -> None:
        await asyncio.sleep(self._chance.choice((0.0005, 0.002, 0.02, 0.2)))

    async def send(self, receivers: list[tuple[str, str]], joins: str = "", leaves: str = "") -> None:
        """Store a batch of messages and publish them."""
        async with self._lane:
            await self._pause()
            if self.dead:
                return
            batch, ids = self._store.commit(self.number, receivers, joins, leaves)
            await self._pause()
            if self.dead:
                return
            self.log.committed(batch)
            if joins:
                self.log.publish(user_subject(joins), MembershipChange(GUID, joined=True, id=batch.first))
            for number in ids:
                message = self._store.message(number)
                publication = _frame(message)
                for subject in conversation_subjects(SYSTEM, message.row.receiver, message.row.receiver_type):
                    self.log.publish(subject, publication)
                if leaves and batch.changes and number == batch.first:
                    self.log.publish(user_subject(leaves), MembershipChange(GUID, joined=False, id=batch.first))
            self.log.answered()

    async def change(self, key: str, receiver: str, kind: str, to_uid: str) -> None:
        """Store a change and publish it."""
        await self._pause()
        if self.dead:
            return
        row = self._store.change(key, receiver, kind, to_uid)
        await self._pause()
        if self.dead:
            return
        guid, uids = receivers_of(row)
        publication = FramePublication(b'{"c":%d}' % row.number, number=row.number)
        for subject in [group_subject(guid)] if guid else map(user_subject, uids):
            self.log.publish(subject, publication)


class Socket:
    """A connection between a client and a server, on a line that keeps the order and may be cut."""

    device = token = ""
    presence: frozenset[str] | None = None
    slow = False

    def __init__(self, server: SimulatedServer, uid: str, take: Callable[[Any], None], *, chained: bool) -> None:
        self.uid = uid
        self.features = frozenset({"chain"} if chained else ())
        self.chained = chained
        self.groups: set[str] = set()
        self.open = False
        self.on_lost: Callable[[], None] = lambda: None
        self._server = server
        self._take = take
        self._last = 0.0
        self.write: Callable[[bytes], object] = self._write

    def buffered(self) -> int:
        """Return 0: this line is never full."""
        return 0

    def close(self, code: int, reason: str) -> None:
        """Close the connection."""
        self.lost()

    async def connect(self, store: SharedStore) -> bool:
        """Register at the server, as the gateway does. Return whether that worked."""
        server = self._server
        if server.dead:
            return False
        self.open = True
        server.sockets[self] = None
        server.hub.add(self)
        groups = store.groups_of(self.uid)
        await asyncio.sleep(0.001)
        if self.open:
            try:
                await server.log.passed(max(groups.values(), default=0))
            except Refused:
                self.lost()
                return False
            server.hub.join_groups(self, groups)
            await server.log.confirmed()
        return self.open

    def _write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._last = max(self._last + TICK, loop.time() + self._server.remote._bus.chance.choice((0.001, 0.02, 0.2)))
        loop.call_at(self._last, self._arrive, data)

    def _arrive(self, data: bytes) -> None:
        for frame in _frames(data):
            if self.open:
                self._take(frame)

    def lost(self) -> None:
        """Lose the connection and all data in flight."""
        if self.open:
            self.open = False
            self._server.sockets.pop(self, None)
            self._server.hub.remove(self)
            self.on_lost()


def _frames(data: bytes) -> list[Any]:
    found = []
    while data:
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        found.append(json.loads(data[start : start + size]))
        data = data[start + size :]
    return found
