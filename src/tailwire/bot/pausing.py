"""Pause the time limit of a handler while it waits for the server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from weakref import WeakKeyDictionary


@dataclass(slots=True)
class _Pause:
    # How many blocks pause a limit, and how many seconds it still has.
    blocks: int
    seconds_left: float | None


_pauses: WeakKeyDictionary[asyncio.Timeout, _Pause] = WeakKeyDictionary()


@contextmanager
def paused(limit: asyncio.Timeout) -> Iterator[None]:
    """Stop the time of a limit during the block. Blocks of the same limit may overlap, in several tasks."""
    now = asyncio.get_running_loop().time
    pause = _pauses.get(limit)
    if pause is None:
        until = limit.when()
        pause = _pauses[limit] = _Pause(0, None if until is None else until - now())
        with suppress(RuntimeError):  # the handler has ended, and another task that it started continues
            limit.reschedule(None)
    pause.blocks += 1
    try:
        yield
    finally:
        pause.blocks -= 1
        if not pause.blocks:
            del _pauses[limit]
            if pause.seconds_left is not None:
                with suppress(RuntimeError):
                    limit.reschedule(now() + pause.seconds_left)
