"""Spreads simultaneous arrivals, such as new sockets, evenly over time.

It has no queue and no timers: it returns a delay for each arrival, for which the caller waits.
"""

from __future__ import annotations

from collections.abc import Callable

BURST_SECONDS = 0.004  # arrivals within it are not delayed


class Pacer:
    """Determines the delays of arrivals.

    Args:
        per_second: how many may proceed per second; 0 for no limit.
        longest: the longest delay in seconds. Arrivals that would have to wait longer are refused.
        clock: returns monotonic seconds.
    """

    def __init__(self, per_second: float, longest: float, clock: Callable[[], float]) -> None:
        self._interval = self._normal_interval = 1.0 / per_second if per_second > 0 else 0.0
        self._longest = longest
        self._clock = clock
        self._next = 0.0

    def slow_down(self, factor: float) -> None:
        """Let only `per_second / factor` arrivals proceed per second from now on; a factor of 1 restores the pace."""
        self._interval = self._normal_interval * factor

    def delay(self) -> float | None:
        """Return for how many seconds a new arrival has to wait; None if it is refused, as it would wait too long."""
        if not self._interval:
            return 0.0
        now = self._clock()
        at = max(self._next, now - BURST_SECONDS)
        if at - now > self._longest:
            return None
        self._next = at + self._interval
        return max(0.0, at - now)
