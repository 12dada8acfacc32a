"""Looks over the process ten times a second: how late the event loop is, and whose connection does not move."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Container, Mapping, MutableMapping
from itertools import islice

from tailwire.server.fanout.overload import Overload
from tailwire.server.rest.protocol import HttpProtocol
from tailwire.server.rest.stalls import StallDetector
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

REPORT = 2.0
LOOK = 1.0
TOGETHER = 8


class Watch:
    """One for the process, told by the server's own clock.

    Args:
        waiting: connections that have to send the head of a request, and since when, longest first.
        idle: connections that are kept for another request, longest first.
        under_way: connections with a request that is under way, and since when, longest first.
        clock: seconds, monotonic.
        deadline: a connection that has not sent the whole head of a request by then is closed.
        least_rate: see `StallDetector`.
        most: the most connections that the limit of file descriptors allows; 0 for any number.
    """

    def __init__(
        self,
        overload: Overload,
        metrics: Metrics,
        waiting: Mapping[HttpProtocol, float],
        idle: Mapping[HttpProtocol, None],
        under_way: MutableMapping[HttpProtocol, float],
        clock: Callable[[], float],
        *,
        deadline: float,
        least_rate: int,
        most: int,
    ) -> None:
        self._overload = overload
        self._metrics = metrics
        self._waiting = waiting
        self._idle = idle
        self._under_way = under_way
        self._movement = StallDetector(under_way, least_rate)
        self._next_look = 0.0
        self._clock = clock
        self._deadline = deadline
        self._most = most
        self._full = False
        self._told: Counter[str] = Counter()
        self._next_report = 0.0

    async def tick(self, connections: int) -> None:
        """A tenth of a second has passed.

        Args:
            connections: how many there are.
        """
        self._overload.tick()
        now = self._clock()
        full = bool(self._most) and connections > self._most
        if full is not self._full:
            self._full = full
            log.warning("connections %s, at most %d", "are too many" if full else "are few enough again", self._most)
        if now >= self._next_look:
            self._next_look = now + LOOK
            await self._end(self._movement.stalled(now), self._under_way, "too slow", HttpProtocol.end_slow)
        await self._let_go(now, connections - self._most if full else 0)
        if now >= self._next_report:
            self._next_report = now + REPORT
            self._report()

    async def _let_go(self, now: float, too_many: int) -> None:
        # Of those who said nothing: all who are over their deadline, and in any case so many. Where they are not
        # enough, bodies and answers that hardly move make room, then those who are kept for another request, and at
        # last those whose clients are the slowest.
        silent: list[HttpProtocol] = []
        for connection, since in self._waiting.items():
            if since >= now - self._deadline and len(silent) >= too_many:
                break
            silent.append(connection)
        too_many -= len(silent)
        crawling = self._movement.slowest(too_many, now, crawling=True)
        too_many -= len(crawling)
        idle = list(islice(self._idle, max(0, too_many)))
        await self._end(silent, self._waiting, "no request", _abort)
        await self._end(crawling, self._under_way, "slowest", _abort)
        await self._end(idle, self._idle, "idle", _abort)
        slowest = self._movement.slowest(too_many - len(idle), now)
        await self._end(slowest, self._under_way, "slowest", _abort)

    async def _end(
        self,
        some: list[HttpProtocol],
        still: Container[HttpProtocol],
        reason: str,
        end: Callable[[HttpProtocol], None],
    ) -> None:
        # A few in each turn of the event loop: others have theirs between.
        for n, connection in enumerate(some):
            if n % TOGETHER == TOGETHER - 1:
                await asyncio.sleep(0)
            if connection in still:
                self._metrics.closes[reason] += 1
                end(connection)

    def _report(self) -> None:
        # One line for each reason, not for each socket.
        for reason, count in self._metrics.closes.items():
            more = count - self._told[reason]
            if more:
                self._told[reason] = count
                log.info("closed connections reason=%r count=%d", reason, more)


def _abort(connection: HttpProtocol) -> None:
    connection.transport.abort()
