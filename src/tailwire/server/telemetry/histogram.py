"""Histograms as plain integers: counting a value costs a bisection and two additions."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

BOUNDS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """Counts values in buckets. Only one thread may call `observe`.

    Args:
        bounds: the inclusive upper bounds of the buckets, ascending. One more bucket counts all values above the last.

    Attributes:
        total: the sum of all values.
    """

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: tuple[float, ...] = BOUNDS_SECONDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """The number of values that were counted."""
        return sum(self._counts)

    @property
    def counts(self) -> tuple[int, ...]:
        """For each bucket, how many values were counted in it (and not in lower ones)."""
        return tuple(self._counts)

    def quantile(self, share: float, counts: Sequence[int]) -> float | None:
        """Return an estimate of a quantile, by linear interpolation within its bucket.

        Args:
            share: the share of the values that are below the quantile, above 0 and at most 1: 0.5 for the median.
            counts: how many values each bucket has. For the values of an interval, pass the difference of two `counts`.

        Returns:
            The estimate; None if `counts` are all 0. It is never above the last bound.
        """
        rank = share * sum(counts)
        if not rank:
            return None
        low = 0.0
        for bound, count in zip(self._bounds, counts, strict=False):
            if count >= rank:
                return low + (bound - low) * rank / count
            rank -= count
            low = bound
        return low

    def buckets(self) -> list[tuple[str, float]]:
        """Return the cumulative counts for Prometheus, ascending.

        Returns:
            For each bucket, a tuple of its upper bound ("+Inf" for the last one) and the number of values up to it.
        """
        names = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self._counts)), strict=True))
