"""Guessing is slowed: an address from which too many wrong tokens or keys came is not answered for a while.

Who shares that address, and was known there before it ran out of tries, is not held up: only what has not been seen to
be right is left unchecked. Addresses that never failed cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from tailwire.server.limits.buckets import MAX_KEYS, Buckets
from tailwire.server.limits.networks import counted_as

MAX_KNOWN = 1_000


class GuessLimiter:
    """Wrong tokens and keys, by address (of IPv6 by /64).

    Args:
        per_minute: wrong ones that an address may send; 0 for no limit.
        clock: seconds, monotonic.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._tries = Buckets(per_minute / 60, max(1.0, per_minute), clock)
        self._clock = clock
        self._suspects: dict[str, tuple[float, dict[int, None]]] = {}  # out of tries until; what was right there
        self._none: tuple[float, dict[int, None]] = (0.0, {})

    def wait(self, address: str, secret: str) -> float:
        """Before a secret is looked at: 0.0, or the seconds for which nothing from this address is.

        Args:
            secret: the token or key; only its hash is kept.
        """
        if not self._suspects:
            return 0.0
        until, known = self._suspects.get(counted_as(address), self._none)
        left = until - self._clock()
        return left if left > 0 and hash(secret) not in known else 0.0

    def take(self, address: str) -> float:
        """Count a try before it is looked at, where looking takes time; `give_back` when it was right.

        Returns:
            0.0, or the seconds for which nothing more is looked at.
        """
        return self._tries.take(address)

    def give_back(self, address: str) -> None:
        """A try that was counted was right, or was not looked at."""
        self._tries.give_back(address)

    def record_success(self, address: str, secret: str) -> None:
        """It was right."""
        if self._suspects and (suspect := self._suspects.get(counted_as(address))):
            known = suspect[1]
            if len(known) < MAX_KNOWN:
                known[hash(secret)] = None

    def record_failure(self, address: str) -> None:
        """It was wrong."""
        address = counted_as(address)
        wait = self._tries.take(address)
        if address not in self._suspects:
            if len(self._suspects) >= MAX_KEYS:
                del self._suspects[next(iter(self._suspects))]
            self._suspects[address] = (0.0, {})
        if wait:
            self._suspects[address] = (self._clock() + max(wait, 1.0), self._suspects[address][1])
