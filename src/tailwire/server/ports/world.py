"""Time and chance, which tests and simulations replace."""

from __future__ import annotations

import random
import secrets
import time


class World:
    """The real clock and random numbers."""

    def seconds(self) -> int:
        """Return whole seconds since 1970."""
        return int(time.time())

    def milliseconds(self) -> int:
        """Return milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def chance(self) -> float:
        """Return a random number in [0, 1)."""
        return random.random()

    def secret(self, size: int) -> str:
        """Return `size` random bytes as hexadecimal digits."""
        return secrets.token_hex(size)
