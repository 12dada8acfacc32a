"""Removes objects a second time later, because the form that uploaded them permits it again until it expires."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

MIN_DELAY_SECONDS = 60.0
"""Removals that are due within this time of each other are made together."""


class LaterRemovals:
    """The names of objects to remove, the first one due first.

    They are kept in memory: what a server forgets, its daily sweep removes.

    Args:
        remove: called with the names that are due.
    """

    def __init__(self, remove: Callable[[list[str]], object]) -> None:
        self._remove = remove
        self._due: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, name: str, delay: float) -> None:
        """Remove an object after `delay` seconds, or up to a minute later. The delay must be the same for all names."""
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
        """Forget all names, and end the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._due.clear()
