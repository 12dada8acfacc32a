"""The proxy's connections: accepted from clients, opened to the server, reset when idle."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

from tailwire.testing.line.acceptor import limit_buffers
from tailwire.testing.line.pair import Faults, Pair
from tailwire.testing.line.pipe import Pipe


class Forwarder:
    """Forwards connections to a server.

    Args:
        host: the host of the server.
        port: the port of the server.
        faults: the active faults of the line. The caller changes them in place, at any time.

    Attributes:
        up: the direction of the line to the server, shared by all connections.
        down: the direction of the line to the clients, shared by all connections.
        pairs: the connections that are open or being opened.
    """

    def __init__(self, host: str, port: int, faults: Faults) -> None:
        self._target = (host, port)
        self._faults = faults
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepted: dict[Pair, socket.socket] = {}  # those whose task has not begun
        self._max_idle_seconds = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self.up, self.down = Pipe(), Pipe()
        self.pairs: set[Pair] = set()

    def aim(self, port: int) -> None:
        """Forward new connections to another port of the server's host. Open ones stay."""
        self._target = (self._target[0], port)

    def take(self, sock: socket.socket) -> None:
        """Begin to forward an accepted client socket, in the background. If the server is unreachable, it is reset."""
        pair = Pair(self._faults, self.up, self.down, self._reach, self.pairs.discard)
        self.pairs.add(pair)
        self._accepted[pair] = sock
        self._start_task(self._start_pair(pair))

    async def _start_pair(self, pair: Pair) -> None:
        sock = self._accepted.pop(pair)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: pair.client, sock)
        except OSError:  # the client has disconnected
            sock.close()
            self.pairs.discard(pair)
            return
        except BaseException:
            sock.close()
            self.pairs.discard(pair)
            raise
        pair.begin()

    def _reach(self, pair: Pair) -> None:
        self._start_task(self._connect(pair))

    async def _connect(self, pair: Pair) -> None:
        try:
            sock = await _open_socket(*self._target)
        except OSError:
            pair.on_unreachable()
            return
        if pair not in self.pairs:  # dropped in the meantime
            sock.close()
            return
        try:
            await asyncio.get_running_loop().create_connection(pair.make_server_end, sock=sock)
        except OSError:  # the server has disconnected
            sock.close()
            pair.remove_server_end()
            pair.on_unreachable()
            return
        pair.on_established()

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end_idle(self, seconds: float) -> None:
        """From now on, reset connections that are idle for this many seconds; 0 stops doing so."""
        self._max_idle_seconds = seconds
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if seconds:
            self._look_for_idle()

    def _look_for_idle(self) -> None:
        # One timer for all connections, set for the one that becomes idle first.
        loop = asyncio.get_running_loop()
        now = first = loop.time()
        for pair in list(self.pairs):
            if now - pair.touched_at >= self._max_idle_seconds:
                pair.abort()
            else:
                first = min(first, pair.touched_at)
        self._idle_timer = loop.call_at(first + self._max_idle_seconds, self._look_for_idle)

    def drop(self) -> None:
        """Reset all open connections. Data in flight is lost."""
        for pair in list(self.pairs):
            pair.abort()
        self.up.clear()
        self.down.clear()

    async def close(self) -> None:
        """Reset all connections and wait until they are closed."""
        self.end_idle(0)
        while self._tasks or self.pairs:
            self.drop()
            for task in list(self._tasks):
                task.cancel()
            if self._tasks:
                await asyncio.wait(list(self._tasks))
            while self._accepted:  # a task that is cancelled before its first step closes nothing
                pair, sock = self._accepted.popitem()
                sock.close()
                self.pairs.discard(pair)
            await asyncio.sleep(0)


async def _open_socket(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    problem = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            limit_buffers(sock)
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
        except OSError as e:
            sock.close()
            problem = e
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise problem
