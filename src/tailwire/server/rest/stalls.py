"""Finds stalled connections: request bodies that do not arrive, and responses that are not read.

The rate is measured in both directions over a window, so that a slow line does not count as stalled. A connection that
waits for the server is never stalled.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass

from tailwire.server.rest.protocol import HttpProtocol

WINDOW_SECONDS = 30.0
GRACE_SECONDS = 1.0
"""The age of a request from which its rate is measured."""


@dataclass(slots=True)
class _Window:
    # The start of a window, the bytes moved until then, and the rate in the window before it.
    since: float
    moved: int
    rate: float


class StallDetector:
    """Measures the rates of connections with a request in progress.

    Args:
        active: these connections, and since when, longest first. Those that are done are removed from it.
        min_rate: bytes per second, on average over `WINDOW_SECONDS`; 0 for no limit.
    """

    def __init__(self, active: MutableMapping[HttpProtocol, float], min_rate: int) -> None:
        self._active = active
        self._min_rate = min_rate
        self._windows: dict[HttpProtocol, _Window] = {}

    def find_stalled(self, now: float) -> list[HttpProtocol]:
        """Return the connections that are too slow. To be called about once a second."""
        before, self._windows = self._windows, {}
        slow: list[HttpProtocol] = []
        for connection, since in list(self._active.items()):
            if now - since < GRACE_SECONDS:
                break
            if connection.is_done:
                del self._active[connection]
            if not connection.waits_for_client:
                continue
            moved = connection.bytes_moved()
            window = before.get(connection) or _Window(now, moved, float(max(1, self._min_rate)))
            if now - window.since >= WINDOW_SECONDS:
                rate = (moved - window.moved) / (now - window.since)
                window = _Window(now, moved, rate)
                if rate < self._min_rate:
                    slow.append(connection)
            self._windows[connection] = window
        return slow

    def slowest_connections(self, count: int, now: float, *, crawling: bool = False) -> list[HttpProtocol]:
        """Return up to `count` connections that wait for their clients, slowest first.

        Args:
            crawling: only those whose current rate is below the minimum.
        """
        if count <= 0:
            return []
        minimum = float(max(1, self._min_rate))
        rates: list[tuple[float, int, HttpProtocol]] = []
        for n, connection in enumerate(self._active):
            if connection.waits_for_client:
                rate = self._rate(connection, now)
                if rate < minimum or not crawling:
                    rates.append((rate, n, connection))
        rates.sort(key=lambda entry: entry[:2])
        return [connection for _, _, connection in rates[:count]]

    def _rate(self, connection: HttpProtocol, now: float) -> float:
        window = self._windows.get(connection)
        if window is None:  # new: measure the body; assume the minimum for a response
            age = max(GRACE_SECONDS, now - self._active[connection])
            return connection.body_received / age if connection.body_is_due else float(max(1, self._min_rate))
        seconds = now - window.since
        return (connection.bytes_moved() - window.moved) / seconds if seconds >= GRACE_SECONDS else window.rate
