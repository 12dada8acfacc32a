"""Token buckets, one for each key. They need no timer, because a bucket is refilled when it is used."""

from __future__ import annotations

from collections.abc import Callable

MAX_KEYS = 100_000


class Buckets:
    """A token bucket for each key, at first full. At most `MAX_KEYS` are kept: full ones and the oldest are forgotten.

    Args:
        per_second: tokens that a bucket gains per second; 0 for no limit.
        size: the capacity of a bucket, in tokens.
        clock: returns monotonic seconds.
    """

    def __init__(self, per_second: float, size: float, clock: Callable[[], float]) -> None:
        self._whole = per_second, size
        self._per_second = per_second
        self._size = size
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str, count: int = 1) -> float:
        """Take tokens from the bucket of a key: all, or none if there are not enough.

        Args:
            key: the key.
            count: how many tokens to take. If they are more than a bucket can hold, they are taken when it is full
                except for one token; the number of tokens is then negative, so that refilling takes longer.

        Returns:
            0.0 if the tokens were taken, else the seconds until there are enough.
        """
        if self._per_second <= 0:
            return 0.0
        now = self._clock()
        left, at = self._buckets.get(key, (self._size, now))
        left = min(self._size, left + (now - at) * self._per_second)
        needed = min(float(count), max(1.0, self._size - 1.0))  # one token was taken when the request arrived
        if left < needed:
            self._buckets[key] = (left, now)
            return (needed - left) / self._per_second
        if key not in self._buckets and len(self._buckets) >= MAX_KEYS:
            self._evict(now)
        self._buckets[key] = (left - count, now)
        return 0.0

    def divide(self, servers: int) -> None:
        """Set the rate and the capacity to the original ones divided by the number of servers that share them."""
        per_second, size = self._whole
        self._per_second, self._size = per_second / servers, max(1.0, size / servers)

    def give_back(self, key: str) -> None:
        """Put one token back into the bucket of a key."""
        if key in self._buckets:
            left, at = self._buckets[key]
            self._buckets[key] = (min(self._size, left + 1.0), at)

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self._per_second > 0

    @property
    def per_minute(self) -> int:
        """How many tokens a bucket gains per minute; 0 for no limit."""
        return round(self._per_second * 60)

    @property
    def size(self) -> int:
        """The capacity of a bucket, in whole tokens."""
        return int(self._size)

    def tokens_left(self, key: str) -> int | None:
        """Return how many whole tokens the bucket of a key had after the last `take`; None if there is no limit."""
        return max(0, int(self._buckets.get(key, (self._size, 0.0))[0])) if self._per_second > 0 else None

    def _evict(self, now: float) -> None:
        rate = self._per_second
        self._buckets = {k: v for k, v in self._buckets.items() if v[0] + (now - v[1]) * rate < self._size}
        while len(self._buckets) >= MAX_KEYS:
            del self._buckets[next(iter(self._buckets))]
