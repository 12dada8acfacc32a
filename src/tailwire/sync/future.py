"""What `start()` returns, and what blocking calls wait for: the future of something in the client's thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


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
        self._lock = threading.RLock()  # an iterator that is collected meanwhile cancels its future
        self._begun = self._never = self._notified = False

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
        with self._lock:
            begun = self._begun
            self._never = not begun
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

        async def run() -> None:
            with self._lock:
                if self._never:
                    return
                self._begun = True
            try:
                result = await make()
            except asyncio.CancelledError:
                raise
            except BaseException as e:  # noqa: BLE001 - also SystemExit: it is for the thread that waits
                if self._notify():
                    self.set_exception(e)
            else:
                if self._notify():
                    self.set_result(result)

        def first() -> None:
            task = loop.create_task(run())
            task.add_done_callback(lambda _: self.cancel())  # where it has no result: it was cancelled
            self.add_done_callback(lambda _: stop(task))

        def stop(task: asyncio.Task[None]) -> None:
            if self.cancelled():
                with suppress(RuntimeError):  # the client has ended meanwhile, and all its tasks with it
                    loop.call_soon_threadsafe(task.cancel)

        loop.call_soon_threadsafe(first)
