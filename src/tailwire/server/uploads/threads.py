"""Threads for one kind of work each: who waits for a thumbnail keeps nobody from a download."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Full(Exception):
    """More work waits than may."""


class Threads:
    """A few threads, and a queue before them that has an end.

    Args:
        name: of the threads.
        count: how many there are.
        most: how much work may be under way, that which waits included; 0 for any.
        patient: others come first where the processor is busy (Linux only; elsewhere they are as any thread).
    """

    def __init__(self, name: str, count: int, most: int = 0, *, patient: bool = False) -> None:
        initializer = _be_patient if patient else None
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=f"tailwire-{name}", initializer=initializer)
        self._most = most
        self._under_way = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Do a piece of work in one of the threads.

        Raises:
            Full: when too much waits.
        """
        if self._most and self._under_way >= self._most:
            raise Full
        self._under_way += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        # Counted until it is done, also when nobody waits for it any more.
        future.add_done_callback(self._done)
        return await asyncio.shield(future)

    def _done(self, future: asyncio.Future[T]) -> None:
        self._under_way -= 1
        if not future.cancelled():
            future.exception()  # seen: its waiter may have gone

    def close(self) -> None:
        """Take no more work; what has begun goes on to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _be_patient() -> None:
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
