"""Spreads simultaneous arrivals evenly over time, without a queue or timers: each arrival is given a delay."""

from __future__ import annotations

from collections.abc import Callable

BURST_SECONDS = 0.004  # arrivals within it are not delayed


class Pacer:
    """Paces arrivals.

    Args:
        per_second: how many may proceed per second; 0 for no limit.
        longest: the longest delay in seconds. Arrivals that would wait longer are refused.
        clock: seconds, monotonic.
    """

    def __init__(self, per_second: float, longest: float, clock: Callable[[], float]) -> None:
        self._interval = self._normal_interval = 1.0 / per_second if per_second > 0 else 0.0
        self._longest = longest
        self._clock = clock
        self._next = 0.0

    def slow_down(self, factor: float) -> None:
        """Divide the pace by a factor from now on; a factor of 1 restores the normal pace."""
        self._interval = self._normal_interval * factor

    def delay(self) -> float | None:
        """Reserve a slot for an arrival. Return the seconds until then; None if the arrival is refused (no slot)."""
        if not self._interval:
            return 0.0
        now = self._clock()
        at = max(self._next, now - BURST_SECONDS)
        if at - now > self._longest:
            return None
        self._next = at + self._interval
        return max(0.0, at - now)
