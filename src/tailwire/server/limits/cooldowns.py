"""Who sent too much at once stays away for some seconds: coming back at once must not be worth it."""

from __future__ import annotations

from collections.abc import Callable

from tailwire.server.limits.buckets import MAX_KEYS


class Cooldowns:
    """Those who flooded, by token.

    Args:
        seconds: for which each stays away.
        clock: seconds, monotonic.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until: dict[str, float] = {}  # oldest first

    def start(self, token: str) -> None:
        """Somebody has sent too much."""
        now = self._clock()
        self._until.pop(token, None)
        while self._until and (len(self._until) >= MAX_KEYS or next(iter(self._until.values())) <= now):
            del self._until[next(iter(self._until))]
        self._until[token] = now + self._seconds

    def remaining(self, token: str) -> float:
        """0.0, or for how many seconds more somebody stays away."""
        return max(0.0, self._until[token] - self._clock()) if token in self._until else 0.0
