"""Looks over the process ten times a second: how late the event loop is, and who connected and says nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tailwire.server.fanout.overload import Overload
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

SWEEP = 2.0


class Watch:
    """One for the process, told by the server's own clock.

    Args:
        clock: seconds, monotonic.
        deadline: a connection that has not sent the whole head of a request by then is closed. uvicorn itself watches
            only those that have had an answer.
        most: connections of which there may be so many, for want of descriptors; 0 for any number.
    """

    def __init__(
        self, overload: Overload, metrics: Metrics, clock: Callable[[], float], deadline: float, most: int
    ) -> None:
        self._overload = overload
        self._metrics = metrics
        self._clock = clock
        self._deadline = deadline
        self._most = most
        self._full = False
        self._told: Counter[str] = Counter()
        self._silent: dict[HttpToolsProtocol, float] = {}
        self._next_sweep = 0.0

    def tick(self, connections: Collection[Any]) -> None:
        """A tenth of a second has passed."""
        self._overload.tick()
        now = self._clock()
        full = bool(self._most) and len(connections) > self._most
        if full is not self._full:
            self._full = full
            log.warning("connections %s, at most %d", "are too many" if full else "are few enough again", self._most)
        if full or now >= self._next_sweep:
            self._next_sweep = now + SWEEP
            self._sweep(connections, now)

    def _sweep(self, connections: Collection[Any], now: float) -> None:
        # Waiting for a head: nothing was asked yet, or an answer was given and no timer runs for the next request.
        waiting = [c for c in connections if isinstance(c, HttpToolsProtocol) and _waits_for_a_head(c)]
        self._silent = {c: self._silent.get(c, now) for c in waiting}
        too_many = len(connections) - self._most if self._most else 0
        for n, (connection, since) in enumerate(self._silent.items()):
            if n < too_many or now - since > self._deadline:
                self._metrics.closes["no request"] += 1
                connection.transport.abort()
        self._report()

    def _report(self) -> None:
        # One line for each reason, not for each socket.
        for reason, count in self._metrics.closes.items():
            more = count - self._told[reason]
            if more:
                self._told[reason] = count
                log.info("closed connections reason=%r count=%d", reason, more)


def _waits_for_a_head(connection: HttpToolsProtocol) -> bool:
    cycle: Any = connection.cycle
    return connection.timeout_keep_alive_task is None and (cycle is None or cycle.response_complete)
