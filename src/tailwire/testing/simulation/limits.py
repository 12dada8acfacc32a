"""Limits that some runs set low, so that they are exceeded in a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tailwire.sdk.continuity import catch_up

LOW_CATCH_UP_LIMIT = 100
LOW_SETTINGS: dict[str, Any] = {"slow_drop": 8_000, "slow_close": 24_000}
"""Settings of a server that soon closes sockets whose clients read slowly."""
_LOW = {"MAX_REMEMBERED_MESSAGES": 10, "MAX_HELD_MESSAGES": 3}


@contextmanager
def low_limits(low: bool) -> Iterator[None]:
    """Inside the `with` block, let clients remember few received ids and hold back few messages; only if `low`."""
    before = {name: getattr(catch_up, name) for name in _LOW}
    try:
        for name, value in _LOW.items() if low else ():
            setattr(catch_up, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(catch_up, name, value)
