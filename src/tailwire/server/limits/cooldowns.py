"""Refuses auth tokens for some seconds after their sockets sent too much, so that they cannot reconnect at once."""

from __future__ import annotations

from collections.abc import Callable

from tailwire.server.limits.buckets import MAX_KEYS


class Cooldowns:
    """The auth tokens that are refused for a while.

    Args:
        seconds: for how long a token is refused.
        clock: returns monotonic seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until: dict[str, float] = {}  # oldest first

    def start(self, token: str) -> None:
        """Refuse a token from now on, for the full time even if it is refused already."""
        now = self._clock()
        self._until.pop(token, None)
        while self._until and (len(self._until) >= MAX_KEYS or next(iter(self._until.values())) <= now):
            del self._until[next(iter(self._until))]
        self._until[token] = now + self._seconds

    def seconds_left(self, token: str) -> float:
        """Return for how many more seconds a token is refused; 0.0 if it is not."""
        return max(0.0, self._until[token] - self._clock()) if token in self._until else 0.0
