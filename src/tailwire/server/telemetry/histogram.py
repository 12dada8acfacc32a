"""Histograms as plain integers: counting a value costs a bisection and two additions."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

BOUNDS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """Counts values in buckets. Only one thread may count.

    Args:
        bounds: the upper bounds of the buckets, ascending; values above the last are counted too.
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
        """The number of values that were counted in each bucket; the last one has no upper bound."""
        return tuple(self._counts)

    def quantile(self, share: float, counts: Sequence[int]) -> float | None:
        """Return the value below which a share of the values lies, by linear interpolation within its bucket.

        Args:
            share: of all values, between 0 and 1: 0.5 for the median.
            counts: how many values each bucket has, such as the difference of two `counts`.

        Returns:
            None if nothing was counted; the last bound for values above it.
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
        """Return each upper bound, as Prometheus writes it, with the number of values up to it."""
        names = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self._counts)), strict=True))
