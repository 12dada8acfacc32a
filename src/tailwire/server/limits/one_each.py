"""Lets one task of each user work at a time, so that no user fills a queue that all share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class UserTurns:
    """The turns of users. One user's turns follow each other in the order of arrival; different users do not wait."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # each as long as it is used

    @asynccontextmanager
    async def turn(self, who: str) -> AsyncIterator[None]:
        """Hold the user's turn while the context is entered. Entering waits for the user's earlier turns."""
        lock = self._locks.get(who)
        if lock is None:
            lock = self._locks[who] = asyncio.Lock()
        async with lock:
            yield
