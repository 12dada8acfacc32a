"""The queue of what a broker has to send to other processes. It is bounded, because the broker may be slow or away."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")
MAX_WAITING_ITEMS = 10_000
MAX_WAITING_BYTES = 16 * 1024 * 1024


class OutgoingQueue(Generic[T]):
    """A queue of items to send, limited to `MAX_WAITING_ITEMS` and `MAX_WAITING_BYTES`. One task may take from it."""

    def __init__(self) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def put(self, item: T, size: int) -> bool:
        """Add an item of `size` bytes. Return False, without adding it, if there is no room for it."""
        if len(self._items) >= MAX_WAITING_ITEMS or self._bytes + size > MAX_WAITING_BYTES:
            return False
        self._items.append((item, size))
        self._bytes += size
        self._filled.set()
        self._empty.clear()
        return True

    async def take(self, most: int) -> list[T]:
        """Wait until there are items; remove and return the oldest of them, at most `most`.

        The caller must call `mark_sent` before the next `take`.
        """
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        taken = []
        for _ in range(min(most, len(self._items))):
            item, size = self._items.popleft()
            self._bytes -= size
            taken.append(item)
        return taken

    def mark_sent(self) -> None:
        """Record that the items of the last `take` have been sent, or cannot be sent."""
        if not self._items:
            self._empty.set()

    async def wait_sent(self) -> None:
        """Wait until the queue is empty and the items taken from it were marked as sent."""
        await self._empty.wait()

    def clear(self) -> int:
        """Remove all items that were not taken. Return how many there were."""
        count = len(self._items)
        self._items.clear()
        self._bytes = 0
        return count
