"""Time and chance, so that a test or a simulation can decide them."""

from __future__ import annotations

import random
import secrets
import time


class World:
    """The real one."""

    def seconds(self) -> int:
        """Whole seconds since 1970."""
        return int(time.time())

    def milliseconds(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def chance(self) -> float:
        """A random number in [0, 1)."""
        return random.random()

    def secret(self, size: int) -> str:
        """So many random bytes, as hexadecimal digits."""
        return secrets.token_hex(size)
