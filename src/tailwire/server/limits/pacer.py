"""An even pace for what comes in a herd: each is told its turn, without a queue or a timer of its own."""

from __future__ import annotations

from collections.abc import Callable

BURST_SECONDS = 0.004  # seconds' worth that may come at once: as long as nobody else has a turn


class Pacer:
    """So many a second; who comes too early is given a turn, who would wait too long none.

    Args:
        per_second: 0 for no limit.
        longest: the longest wait for a turn, in seconds.
        clock: seconds, monotonic.
    """

    def __init__(self, per_second: float, longest: float, clock: Callable[[], float]) -> None:
        self._each = 1.0 / per_second if per_second > 0 else 0.0
        self._longest = longest
        self._clock = clock
        self._next = 0.0

    def delay(self) -> float | None:
        """The seconds until the turn of one who comes now; None when the line is too long, and nothing is taken."""
        if not self._each:
            return 0.0
        now = self._clock()
        at = max(self._next, now - BURST_SECONDS)
        if at - now > self._longest:
            return None
        self._next = at + self._each
        return max(0.0, at - now)
