"""Looks over the process ten times a second: how late the event loop is, and who connected and says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tailwire.server.fanout.overload import Overload
from tailwire.server.telemetry.metrics import Metrics

SWEEP = 2.0


class Watch:
    """One for the process, told by the server's own clock.

    Args:
        clock: seconds, monotonic.
        deadline: a connection that has not sent the whole head of a request by then is closed. uvicorn itself watches
            only those that have had an answer.
    """

    def __init__(self, overload: Overload, metrics: Metrics, clock: Callable[[], float], deadline: float) -> None:
        self._overload = overload
        self._metrics = metrics
        self._clock = clock
        self._deadline = deadline
        self._silent: dict[HttpToolsProtocol, float] = {}
        self._next_sweep = 0.0

    def tick(self, connections: Iterable[Any]) -> None:
        """A tenth of a second has passed."""
        self._overload.tick()
        now = self._clock()
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP
            self._sweep(connections, now)

    def _sweep(self, connections: Iterable[Any], now: float) -> None:
        # Waiting for a head: nothing was asked yet, or an answer was given and no timer runs for the next request.
        waiting = [c for c in connections if isinstance(c, HttpToolsProtocol) and _waits_for_a_head(c)]
        self._silent = {c: self._silent.get(c, now) for c in waiting}
        for connection, since in self._silent.items():
            if now - since > self._deadline:
                self._metrics.closes["no request"] += 1
                connection.transport.abort()


def _waits_for_a_head(connection: HttpToolsProtocol) -> bool:
    cycle: Any = connection.cycle
    return connection.timeout_keep_alive_task is None and (cycle is None or cycle.response_complete)
