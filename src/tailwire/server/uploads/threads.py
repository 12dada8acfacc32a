"""Thread pools with a bounded queue. Each kind of work has one, so that thumbnails do not delay downloads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class QueueFull(Exception):
    """Too many calls are pending: the function was not called."""


class Threads:
    """A thread pool with a bounded queue.

    Args:
        name: a part of the threads' names.
        count: the number of threads.
        max_pending: how many calls may run or wait at the same time; 0 for no limit.
    """

    def __init__(self, name: str, count: int, max_pending: int = 0) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=f"tailwire-{name}")
        self._max_pending = max_pending
        self._pending = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Call a function in one of the threads, and return its result. If the caller is cancelled, the call continues.

        Raises:
            QueueFull: too many calls are pending.
        """
        if self._max_pending and self._pending >= self._max_pending:
            raise QueueFull
        self._pending += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        # A call counts until it ends, even if the caller was cancelled.
        future.add_done_callback(self._on_done)
        return await asyncio.shield(future)

    def _on_done(self, future: asyncio.Future[T]) -> None:
        self._pending -= 1
        if not future.cancelled():
            future.exception()  # mark as retrieved: the caller may have been cancelled

    def close(self) -> None:
        """Accept no more calls, and cancel those that wait. Returns at once, while calls that have started continue."""
        self._pool.shutdown(wait=False, cancel_futures=True)
