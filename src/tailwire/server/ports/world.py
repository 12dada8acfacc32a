"""Time and chance, which tests and simulations replace."""

from __future__ import annotations

import random
import secrets
import time

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)
"""A clock that cannot be set, and that continues while the machine is suspended; None if the system has none."""


class World:
    """The real clock and random numbers."""

    _followed: int | None = None

    def seconds(self) -> int:
        """Return whole seconds since 1970."""
        return self.milliseconds() // 1000

    def milliseconds(self) -> int:
        """Return milliseconds since 1970: by the clock of this machine, or after `follow` by the clock followed."""
        followed = self._followed
        return self.machine_milliseconds() if followed is None else followed + self.steady_milliseconds()

    def machine_milliseconds(self) -> int:
        """Return milliseconds since 1970 by the clock of this machine, which may be wrong and jump."""
        return time.time_ns() // 1_000_000

    def steady_milliseconds(self) -> int:
        """Return milliseconds since an unknown but fixed time, by a clock that is never set."""
        return (time.monotonic_ns() if _BOOT_CLOCK is None else time.clock_gettime_ns(_BOOT_CLOCK)) // 1_000_000

    def follow(self, milliseconds: int) -> None:
        """Make `milliseconds` and `seconds` continue from a given time, independently of this machine's clock.

        May be called repeatedly, to correct the time.

        Args:
            milliseconds: the present time, in milliseconds since 1970, such as that of a database that several servers
                share.
        """
        self._followed = milliseconds - self.steady_milliseconds()

    def chance(self) -> float:
        """Return a random number in [0, 1)."""
        return random.random()

    def secret(self, size: int) -> str:
        """Return `size` random bytes as hexadecimal digits."""
        return secrets.token_hex(size)
