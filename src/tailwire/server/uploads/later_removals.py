"""Removes objects of a bucket after a delay.

A client may upload an object again, after it was removed, until its form has expired. So it is removed once more then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

MIN_DELAY_SECONDS = 60.0
"""The shortest time between two calls of `remove`. What becomes due meanwhile is removed together."""


class LaterRemovals:
    """The names of objects that are to be removed later.

    They are kept in memory only. What is forgotten when the server ends is found by the daily sweep of the bucket.

    Args:
        remove: called in the event loop with the names that are due. It must not block.
    """

    def __init__(self, remove: Callable[[list[str]], object]) -> None:
        self._remove = remove
        self._due: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, name: str, delay: float) -> None:
        """Have an object removed after a delay. Does nothing if the name is already waiting.

        Args:
            delay: seconds, the same in all calls. The removal may come up to `MIN_DELAY_SECONDS` later.
        """
        loop = asyncio.get_running_loop()
        self._due.setdefault(name, loop.time() + delay)
        if self._timer is None:
            self._timer = loop.call_later(delay, self._remove_due)

    def _remove_due(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        names = [name for name, due in self._due.items() if due <= now]
        for name in names:
            del self._due[name]
        first = next(iter(self._due.values()), None)
        self._timer = None if first is None else loop.call_later(max(first - now, MIN_DELAY_SECONDS), self._remove_due)
        if names:
            self._remove(names)

    def close(self) -> None:
        """Forget all names, and cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._due.clear()
