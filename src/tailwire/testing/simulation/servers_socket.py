"""A model of a connection between a client and a simulated server. Frames arrive in order; it may be cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from tailwire.testing.simulation.servers_broker import TICK_SECONDS
from tailwire.testing.simulation.servers_connection import NOBODY
from tailwire.testing.simulation.servers_fanout import SimulatedServer

CONNECT_SECONDS = 8.0
"""Virtual seconds that a client waits for the server to accept a connection."""


class Socket:
    """Both ends of a connection: the socket as the server's hub uses it, and the client.

    Args:
        server: the server to connect to.
        uid: the uid of the user who connects.
        take: called with each frame that the client receives, decoded from JSON.
        chained: whether the client has the feature `chain`: frames of messages then contain the predecessor's id.

    Attributes:
        open: whether the client is connecting or connected.
        ready: whether the server has registered it completely.
        on_lost: called without arguments when the client has lost the connection.
    """

    device = token = ""
    presence: frozenset[str] | None = None
    slow = False

    def __init__(self, server: SimulatedServer, uid: str, take: Callable[[Any], None], *, chained: bool) -> None:
        self.uid = uid
        self.features = frozenset({"chain"} if chained else ())
        self.chained = chained
        self.groups: set[str] = set()
        self.open = self.ready = False
        self.on_lost: Callable[[], None] = lambda: None
        self.server = server
        self._take = take
        self._last = 0.0
        self.write: Callable[[bytes], object] = self._write

    def buffered(self) -> int:
        """Return 0, as the number of bytes that wait to be sent: this connection has no limit."""
        return 0

    def close(self, code: int, reason: str) -> None:
        """Close the connection, as the server does. The code and the reason are ignored."""
        self.lose_connection()

    async def connect(self) -> bool:
        """Connect, and return whether the server has accepted within `CONNECT_SECONDS`."""
        if self.server.dead:
            return False
        self.open = True
        registered = self.server.register(self)
        await asyncio.wait([registered], timeout=CONNECT_SECONDS)
        if not self.ready:
            self.lose_connection()
        return self.open

    def _write(self, data: bytes) -> None:
        loop, chance = asyncio.get_running_loop(), self.server.parts.gate.chance
        self._last = max(self._last + TICK_SECONDS, loop.time() + chance.choice((0.001, 0.02, 0.2)))
        loop.call_at(self._last, self._arrive, data, context=NOBODY)

    def _arrive(self, data: bytes) -> None:
        for frame in _frames(data):
            if self.open:
                self._take(frame)

    def lose_connection(self) -> None:
        """Lose the connection and all data in flight. Without effect if it is lost already."""
        if self.open:
            self.open = self.ready = False
            self.server.remove(self)
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
