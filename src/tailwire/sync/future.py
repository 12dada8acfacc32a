"""What `start()` returns, and what blocking calls wait for: the future of something in the client's thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

T = TypeVar("T")


class _Beginning:
    # Whether a call has begun, or never will. Not a part of its future: what a call raises holds this by its traceback,
    # and would make a circle with the future that holds what it raised.

    def __init__(self) -> None:
        self._lock = threading.RLock()  # an iterator that is collected meanwhile cancels its future
        self.begun = self._never = False

    def begin(self) -> bool:
        with self._lock:
            self.begun = not self._never
            return self.begun

    def refuse(self) -> bool:
        # Answers whether it had begun before.
        with self._lock:
            self._never = not self.begun
            return self.begun


async def _made(beginning: _Beginning, make: Callable[[], Awaitable[T]]) -> tuple[T | None, BaseException | None]:
    if not beginning.begin():
        raise asyncio.CancelledError
    try:
        return await make(), None
    except asyncio.CancelledError:
        raise
    except BaseException as e:  # noqa: BLE001 - also SystemExit: it is for the thread that waits
        return None, e


def _stop(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any], future: concurrent.futures.Future[Any]) -> None:
    if future.cancelled():
        with suppress(RuntimeError):  # the client has ended meanwhile, and all its tasks with it
            loop.call_soon_threadsafe(task.cancel)


class CallFuture(concurrent.futures.Future[T]):
    """A future that refuses to be waited for in the client's own thread, and knows whether its call has begun.

    Unlike those of `asyncio.run_coroutine_threadsafe`, one that is cancelled before the client's thread has come to it
    does nothing at all.

    Args:
        check: raises `RuntimeError` where nobody may wait.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__()
        self._check = check
        self._beginning = _Beginning()
        self._lock = threading.RLock()
        self._notified = False

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result, and return it.

        Args:
            timeout: seconds; None waits for ever.

        Raises:
            RuntimeError: it would wait in the client's own thread.
            TimeoutError: it has not ended in time; it goes on.
            concurrent.futures.CancelledError: it was cancelled, or the client was closed.
        """
        if not self.done():
            self._check()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end, and return what the call raised; None where it raised nothing. Raises as `result`."""
        if not self.done():
            self._check()
        return super().exception(timeout)

    def cancel(self) -> bool:
        """Cancel it. False when it has ended already."""
        return self.give_up()[0]

    def give_up(self) -> tuple[bool, bool]:
        """Cancel it; answers whether it was cancelled (not where it has ended), and whether its call had begun."""
        begun = self._beginning.refuse()  # what has not begun by now never will
        cancelled = super().cancel()
        if cancelled:
            self._notify()
        return cancelled, begun

    def _notify(self) -> bool:
        # Those who wait for several futures hear of a cancelled one; answers whether it is to have a result.
        with self._lock:
            if self._notified:
                return False
            self._notified = True
            return self.set_running_or_notify_cancel()

    def begin(self, loop: asyncio.AbstractEventLoop, make: Callable[[], Awaitable[T]]) -> None:
        """Have the call made in a loop's thread; from any thread."""

        def first() -> None:
            task = loop.create_task(_made(self._beginning, make))
            task.add_done_callback(self._settle)
            self.add_done_callback(partial(_stop, loop, task))

        loop.call_soon_threadsafe(first)

    def _settle(self, task: asyncio.Task[tuple[T | None, BaseException | None]]) -> None:
        if task.cancelled():
            self.cancel()
        elif self._notify():
            result, error = task.result()
            if error is None:
                self.set_result(cast(T, result))
            else:
                self.set_exception(error)
