"""Lets one task of each user work at a time, so that no user fills a queue that all share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class UserTurns:
    """Makes the tasks of one user wait for each other, in the order of arrival, but not those of different users."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # each as long as it is used

    @asynccontextmanager
    async def turn(self, who: str) -> AsyncIterator[None]:
        """Return a context in which only one task of a user is at a time. Entering it waits for their earlier tasks.

        Args:
            who: the uid of the user.
        """
        lock = self._locks.get(who)
        if lock is None:
            lock = self._locks[who] = asyncio.Lock()
        async with lock:
            yield
