"""Finds stalled connections: request bodies that do not arrive, and responses that are not read.

The rate of bytes is averaged over a window of `WINDOW_SECONDS`, so that a slow line with pauses does not count as
stalled. A connection whose client waits for the server is never stalled.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass

from tailwire.server.rest.protocol import HttpProtocol

WINDOW_SECONDS = 30.0
GRACE_SECONDS = 1.0
"""How old a request is before its rate is measured."""
CHECK_SECONDS = 1.0
"""The shortest time between two checks of the same connection."""
CALLS_PER_CHECK = 10
"""How many calls of `find_stalled` check all connections once. For 1,000 connections they take 10 ms altogether."""
CHECKS_PER_TURN = 32
"""How many connections are checked in one iteration of the event loop."""


@dataclass(slots=True)
class _Window:
    # The time at which a window began, the bytes that had been moved until then, and the rate in the window before it.
    # `unsent` is whether the client has to read something; only then does `moved` include acknowledged bytes.
    since: float
    moved: int
    rate: float
    unsent: bool


class StallDetector:
    """Measures the rates of connections with a request in progress.

    Args:
        active: these connections, with the times at which their requests began, on the clock of the event loop; the
            earliest is the first. The detector removes connections whose responses are all sent.
        min_rate: the minimum in bytes per second, on average over `WINDOW_SECONDS`; 0 for no minimum.
    """

    def __init__(self, active: MutableMapping[HttpProtocol, float], min_rate: int) -> None:
        self._active = active
        self._min_rate = min_rate
        self._windows: dict[HttpProtocol, _Window] = {}
        self._unchecked: list[HttpProtocol] = []
        self._share = 0
        self._next_check = 0.0

    async def find_stalled(self, now: float) -> list[HttpProtocol]:
        """Check a share of the connections, and return those of them that were below `min_rate` in their last window.

        To be called about ten times a second, so that each connection is checked about once a second. Other tasks run
        during the check, so that a returned connection may have been closed or completed meanwhile.

        Args:
            now: the time on the clock of the event loop.
        """
        if not self._unchecked:
            if now < self._next_check:
                return []
            self._begin_check(now)
        slow: list[HttpProtocol] = []
        for n in range(min(self._share, len(self._unchecked))):
            if n % CHECKS_PER_TURN == CHECKS_PER_TURN - 1:
                await asyncio.sleep(0)
            connection = self._unchecked.pop()
            if connection in self._active and self._update_window(connection, now):
                slow.append(connection)
        return slow

    def _begin_check(self, now: float) -> None:
        self._windows = {
            connection: window for connection, window in self._windows.items() if connection in self._active
        }
        self._next_check = now + CHECK_SECONDS
        for connection, since in self._active.items():
            if now - since < GRACE_SECONDS:
                break
            self._unchecked.append(connection)
        self._share = -(-len(self._unchecked) // CALLS_PER_CHECK)

    def _update_window(self, connection: HttpProtocol, now: float) -> bool:
        # Begin, continue or end the connection's window. Return whether the window that ended now was too slow.
        if connection.is_done:
            del self._active[connection]
        unsent = connection.has_unsent
        if not (unsent or connection.body_is_due):
            self._windows.pop(connection, None)
            return False
        moved = connection.bytes_moved(both_ways=unsent)
        window = self._window_of(connection, unsent=unsent)
        if window is None:
            window = _Window(now, moved, float(max(1, self._min_rate)), unsent)
        is_over = now - window.since >= WINDOW_SECONDS
        if is_over:
            window = _Window(now, moved, (moved - window.moved) / (now - window.since), unsent)
        self._windows[connection] = window
        return is_over and window.rate < self._min_rate

    def _window_of(self, connection: HttpProtocol, *, unsent: bool) -> _Window | None:
        window = self._windows.get(connection)
        return window if window is not None and window.unsent is unsent else None

    def slowest_connections(self, count: int, now: float, *, below_minimum: bool = False) -> list[HttpProtocol]:
        """Return up to `count` of the connections that wait for their client to send or read, slowest first.

        Args:
            now: the time on the clock of the event loop.
            below_minimum: whether to return only those whose current rate is below the minimum.
        """
        if count <= 0:
            return []
        minimum = float(max(1, self._min_rate))
        rates: list[tuple[float, int, HttpProtocol]] = []
        for n, connection in enumerate(self._active):
            if connection.has_unsent or connection.body_is_due:
                rate = self._rate(connection, now)
                if rate < minimum or not below_minimum:
                    rates.append((rate, n, connection))
        rates.sort(key=lambda entry: entry[:2])
        return [connection for _, _, connection in rates[:count]]

    def _rate(self, connection: HttpProtocol, now: float) -> float:
        unsent = connection.has_unsent
        window = self._window_of(connection, unsent=unsent)
        if window is None:  # new: measure the body; assume the minimum for a response
            age = max(GRACE_SECONDS, now - self._active[connection])
            return connection.body_received / age if connection.body_is_due else float(max(1, self._min_rate))
        seconds = now - window.since
        if seconds < GRACE_SECONDS:
            return window.rate
        return (connection.bytes_moved(both_ways=unsent) - window.moved) / seconds
