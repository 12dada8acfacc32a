"""A monotonic clock that runs while the device sleeps (T1)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)
# macOS and iOS: CLOCK_MONOTONIC is the continuous clock there, CLOCK_UPTIME_RAW the one that stops.
_CONTINUOUS_CLOCK = getattr(time, "CLOCK_MONOTONIC", None) if sys.platform in ("darwin", "ios") else None


seconds: Callable[[], float] = time.monotonic
"""Return seconds on a monotonic clock, which runs while the device sleeps if the platform has such a clock."""

if _BOOT_CLOCK is not None and sys.platform != "emscripten":  # emscripten defines the constant, but has no such clock
    seconds = partial(time.clock_gettime, _BOOT_CLOCK)
elif _CONTINUOUS_CLOCK is not None:
    seconds = partial(time.clock_gettime, _CONTINUOUS_CLOCK)
