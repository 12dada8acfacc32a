"""Looks over the process ten times a second: how late the event loop is, and who connected and says nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Container, Mapping
from itertools import islice

from tailwire.server.fanout.overload import Overload
from tailwire.server.rest.protocol import HttpProtocol
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

REPORT = 2.0
TOGETHER = 8


class Watch:
    """One for the process, told by the server's own clock.

    Args:
        waiting: connections that have to send the head of a request, and since when, longest first.
        idle: connections that are kept for another request, longest first.
        clock: seconds, monotonic.
        deadline: a connection that has not sent the whole head of a request by then is closed.
        most: the most connections that the limit of file descriptors allows; 0: no limit; 0 for any number.
    """

    def __init__(
        self,
        overload: Overload,
        metrics: Metrics,
        waiting: Mapping[HttpProtocol, float],
        idle: Mapping[HttpProtocol, None],
        clock: Callable[[], float],
        deadline: float,
        most: int,
    ) -> None:
        self._overload = overload
        self._metrics = metrics
        self._waiting = waiting
        self._idle = idle
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
        await self._let_go(now - self._deadline, connections - self._most if full else 0)
        if now >= self._next_report:
            self._next_report = now + REPORT
            self._report()

    async def _let_go(self, before: float, too_many: int) -> None:
        # Of those who said nothing: all who began to wait before a time, and in any case so many. Where they are not
        # enough, those who are kept for another request make room.
        silent: list[HttpProtocol] = []
        for connection, since in self._waiting.items():
            if since >= before and len(silent) >= too_many:
                break
            silent.append(connection)
        idle = list(islice(self._idle, max(0, too_many - len(silent))))
        await self._abort(silent, self._waiting, "no request")
        await self._abort(idle, self._idle, "idle")

    async def _abort(self, some: list[HttpProtocol], still: Container[HttpProtocol], reason: str) -> None:
        # A few in each turn of the event loop: others have theirs between.
        for n, connection in enumerate(some):
            if n % TOGETHER == TOGETHER - 1:
                await asyncio.sleep(0)
            if connection in still:
                self._metrics.closes[reason] += 1
                connection.transport.abort()

    def _report(self) -> None:
        # One line for each reason, not for each socket.
        for reason, count in self._metrics.closes.items():
            more = count - self._told[reason]
            if more:
                self._told[reason] = count
                log.info("closed connections reason=%r count=%d", reason, more)
