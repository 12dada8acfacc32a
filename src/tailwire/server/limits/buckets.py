"""Token buckets by key, without a timer: each is filled when it is looked at."""

from __future__ import annotations

from collections.abc import Callable

MAX_KEYS = 100_000


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

    def take(self, key: str, count: int = 1) -> float:
        """Take some, or nothing.

        Args:
            count: how many. More than a bucket holds are given when it is full (but for one); it is filled again after
                the time that they are worth.

        Returns:
            0.0 when there were so many, else the seconds until there are.
        """
        if self._per_second <= 0:
            return 0.0
        now = self._clock()
        left, at = self._buckets.get(key, (self._size, now))
        left = min(self._size, left + (now - at) * self._per_second)
        needed = min(float(count), max(1.0, self._size - 1.0))  # one was taken when its request came
        if left < needed:
            self._buckets[key] = (left, now)
            return (needed - left) / self._per_second
        if key not in self._buckets and len(self._buckets) >= MAX_KEYS:
            self._forget(now)
        self._buckets[key] = (left - count, now)
        return 0.0

    def give_back(self, key: str) -> None:
        """Put one back that was taken."""
        if key in self._buckets:
            left, at = self._buckets[key]
            self._buckets[key] = (min(self._size, left + 1.0), at)

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
        return max(0, int(self._buckets.get(key, (self._size, 0.0))[0])) if self._per_second > 0 else None

    def _forget(self, now: float) -> None:
        rate = self._per_second
        self._buckets = {k: v for k, v in self._buckets.items() if v[0] + (now - v[1]) * rate < self._size}
        while len(self._buckets) >= MAX_KEYS:
            del self._buckets[next(iter(self._buckets))]
