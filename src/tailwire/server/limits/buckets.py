"""Token buckets by key, without a timer: each is filled when it is looked at."""

from __future__ import annotations

from collections.abc import Callable

MOST_KEYS = 100_000


class Buckets:
    """One bucket for each key.

    Args:
        per_second: how fast a bucket fills; 0 for no limit.
        size: how much it holds.
        clock: seconds, monotonic.
    """

    def __init__(self, per_second: float, size: float, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._size = size
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> float:
        """Take one.

        Returns:
            0.0 when there was one, else the seconds until there is.
        """
        if self._per_second <= 0:
            return 0.0
        now = self._clock()
        left, at = self._buckets.get(key, (self._size, now))
        left = min(self._size, left + (now - at) * self._per_second)
        if left < 1.0:
            self._buckets[key] = (left, now)
            return (1.0 - left) / self._per_second
        if key not in self._buckets and len(self._buckets) >= MOST_KEYS:
            self._forget(now)
        self._buckets[key] = (left - 1.0, now)
        return 0.0

    @property
    def per_minute(self) -> int:
        """How many a minute; 0 for no limit."""
        return round(self._per_second * 60)

    @property
    def size(self) -> int:
        """How many can be taken at once."""
        return int(self._size)

    def left(self, key: str) -> int | None:
        """How many can be taken now; None without a limit."""
        return int(self._buckets.get(key, (self._size, 0.0))[0]) if self._per_second > 0 else None

    def _forget(self, now: float) -> None:
        full_after = self._size / self._per_second
        self._buckets = {k: v for k, v in self._buckets.items() if now - v[1] < full_after}
        while len(self._buckets) >= MOST_KEYS:
            del self._buckets[next(iter(self._buckets))]
