"""Measures the load of the process, and closes stalled and surplus HTTP connections, ten times a second."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Container, Mapping, MutableMapping
from itertools import islice

from tailwire.server.fanout.overload import Overload
from tailwire.server.limits.pacer import Pacer
from tailwire.server.rest.protocol import HttpProtocol
from tailwire.server.rest.stalls import StallDetector
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

REPORT_SECONDS = 2.0
CLOSES_PER_TURN = 2
# While the server is full each new connection takes the place of another, so a fast turnover only costs processor time.
SLOWER_WHEN_FULL = 2.0
SLOWER_SECONDS = 1.0


class Housekeeping:
    """Closes stalled and surplus HTTP connections, and measures the load. `HttpServer.on_tick` calls it.

    The three mappings are kept up to date by `HttpConnections`. Their values are times of `clock`, the oldest first.

    Args:
        waiting: connections that have not sent the complete head of a request, and since when they wait for it.
        idle: connections that are kept open for another request, and since when.
        active: connections with a request in progress, and since when.
        clock: seconds, monotonic.
        deadline: seconds within which a connection must send the head of a request, or be closed.
        min_rate: bytes per second that a request body or a response must transfer on average over 30 s; otherwise the
            connection is closed. 0 for no limit.
        most: maximum number of open connections; 0 for unlimited.
        pacer: paces new connections. It is set to a slower pace while there are more than `most`.
    """

    def __init__(
        self,
        overload: Overload,
        metrics: Metrics,
        waiting: Mapping[HttpProtocol, float],
        idle: Mapping[HttpProtocol, float],
        active: MutableMapping[HttpProtocol, float],
        clock: Callable[[], float],
        *,
        deadline: float,
        min_rate: int,
        most: int,
        pacer: Pacer,
    ) -> None:
        self._overload = overload
        self._metrics = metrics
        self._waiting = waiting
        self._idle = idle
        self._active = active
        self._stalls = StallDetector(active, min_rate)
        self._clock = clock
        self._deadline = deadline
        self._most = most
        self._full = False
        self._pacer = pacer
        self._slower_until = 0.0
        self._reported: Counter[str] = Counter()
        self._next_report = 0.0

    async def tick(self, connections: int) -> None:
        """Measure the load, close stalled connections, and close further ones if more than `most` are open.

        Args:
            connections: the number of open connections.
        """
        self._overload.tick()
        now = self._clock()
        full = bool(self._most) and connections > self._most
        if full is not self._full:
            self._full = full
            log.warning("connections %s the limit of %d", "exceed" if full else "are below", self._most)
        self._pace(now, full)
        await self._close(await self._stalls.find_stalled(now), self._active, "too slow", HttpProtocol.close_slow)
        await self._close_stalled(now, connections - self._most if full else 0)
        if now >= self._next_report:
            self._next_report = now + REPORT_SECONDS
            self._report()

    def _pace(self, now: float, full: bool) -> None:
        if full:
            self._slower_until = now + SLOWER_SECONDS
        self._pacer.slow_down(SLOWER_WHEN_FULL if now < self._slower_until else 1.0)

    async def _close_stalled(self, now: float, surplus: int) -> None:
        # Close all connections that are past their deadline, and at least `surplus` connections in this order: those
        # that owe a head, those whose body or response hardly moves, idle ones, and the slowest others.
        silent: list[HttpProtocol] = []
        for connection, since in self._waiting.items():
            if since >= now - self._deadline and len(silent) >= surplus:
                break
            silent.append(connection)
        surplus -= len(silent)
        crawling = self._stalls.slowest_connections(surplus, now, below_minimum=True)
        surplus -= len(crawling)
        idle = list(islice(self._idle, max(0, surplus)))
        await self._close(silent, self._waiting, "no request", _abort)
        await self._close(crawling, self._active, "slowest", _abort)
        await self._close(idle, self._idle, "idle", _abort)
        slowest = self._stalls.slowest_connections(surplus - len(idle), now)
        await self._close(slowest, self._active, "slowest", _abort)

    async def _close(
        self,
        connections: list[HttpProtocol],
        current: Container[HttpProtocol],
        reason: str,
        end: Callable[[HttpProtocol], None],
    ) -> None:
        # Only a few in each turn of the event loop, so that other connections are not delayed.
        for n, connection in enumerate(connections):
            if n % CLOSES_PER_TURN == CLOSES_PER_TURN - 1:
                await asyncio.sleep(0)
            if connection in current:
                self._metrics.closes[reason] += 1
                end(connection)

    def _report(self) -> None:
        # One line for each reason, not for each connection.
        for reason, count in self._metrics.closes.items():
            more = count - self._reported[reason]
            if more:
                self._reported[reason] = count
                log.info("closed connections reason=%r count=%d", reason, more)


def _abort(connection: HttpProtocol) -> None:
    connection.transport.abort()
