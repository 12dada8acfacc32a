"""Time and chance, which tests and simulations replace."""

from __future__ import annotations

import random
import secrets
import time


class World:
    """The real clock and random numbers.

    Attributes:
        ahead: milliseconds by which this machine's clock is ahead of the clock that counts: the one of the database
            that several servers share.
    """

    ahead = 0

    def seconds(self) -> int:
        """Return whole seconds since 1970."""
        return self.milliseconds() // 1000

    def milliseconds(self) -> int:
        """Return milliseconds since 1970."""
        return time.time_ns() // 1_000_000 - self.ahead

    def chance(self) -> float:
        """Return a random number in [0, 1)."""
        return random.random()

    def secret(self, size: int) -> str:
        """Return `size` random bytes as hexadecimal digits."""
        return secrets.token_hex(size)
