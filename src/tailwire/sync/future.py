"""The future of a call in the client's thread, which `start()` returns and blocking calls wait for."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

T = TypeVar("T")


class _CallState:
    # Whether a call has begun, or will never begin. This is not part of the future, because the traceback of the call's
    # exception refers to this object, and the future refers to the exception: that would be a reference cycle.

    def __init__(self) -> None:
        self._lock = threading.RLock()  # reentrant: a collected iterator cancels its future
        self.begun = self._never = False

    def begin(self) -> bool:
        with self._lock:
            self.begun = not self._never
            return self.begun

    def refuse(self) -> bool:
        # Prevent the call from beginning. Return True if it is too late, because it has begun.
        with self._lock:
            self._never = not self.begun
            return self.begun


async def _make_unless_cancelled(
    beginning: _CallState, make: Callable[[], Awaitable[T]]
) -> tuple[T | None, BaseException | None]:
    if not beginning.begin():
        raise asyncio.CancelledError
    try:
        return await make(), None
    except asyncio.CancelledError:
        raise
    except BaseException as e:  # noqa: BLE001 - SystemExit too is raised in the waiting thread
        return None, e


def _stop(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any], future: concurrent.futures.Future[Any]) -> None:
    if future.cancelled():
        with suppress(RuntimeError):  # the loop has closed, and its tasks have ended
            loop.call_soon_threadsafe(task.cancel)


class CallFuture(concurrent.futures.Future[T]):
    """The future of a call in the client's thread. Waiting for it in that thread raises `RuntimeError`.

    A call that is cancelled before the client's thread has started it is never started; this is not certain with the
    futures of `asyncio.run_coroutine_threadsafe`.

    Args:
        check: called before a wait; raises `RuntimeError` in the client's thread.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__()
        self._check = check
        self._call_state = _CallState()
        self._lock = threading.RLock()
        self._notified = False

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result, and return it.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            RuntimeError: called in the client's own thread before the call has ended.
            TimeoutError: the call has not ended in time; it continues.
            concurrent.futures.CancelledError: the call was cancelled, or the client was closed.
            BaseException: the call raised it.
        """
        if not self.done():
            self._check()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end, and return the exception of the call; None if it has succeeded.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            RuntimeError, TimeoutError, concurrent.futures.CancelledError: as for `result`.
        """
        if not self.done():
            self._check()
        return super().exception(timeout)

    def cancel(self) -> bool:
        """Cancel the call. Return False if it has ended already."""
        return self.try_cancel()[0]

    def try_cancel(self) -> tuple[bool, bool]:
        """Cancel the call. Return (whether it was cancelled, whether it had begun before)."""
        begun = self._call_state.refuse()  # from here on it cannot begin
        cancelled = super().cancel()
        if cancelled:
            self._notify()
        return cancelled, begun

    def _notify(self) -> bool:
        # Mark the future as running or cancelled, once. Return whether a result may be set.
        with self._lock:
            if self._notified:
                return False
            self._notified = True
            return self.set_running_or_notify_cancel()

    def begin(self, loop: asyncio.AbstractEventLoop, make: Callable[[], Awaitable[T]]) -> None:
        """Schedule the call on an event loop, from any thread. Its outcome is set as that of this future.

        Args:
            make: called in the thread of the loop; returns what is awaited there.
        """

        def start() -> None:
            task = loop.create_task(_make_unless_cancelled(self._call_state, make))
            task.add_done_callback(self._settle)
            self.add_done_callback(partial(_stop, loop, task))

        loop.call_soon_threadsafe(start)

    def _settle(self, task: asyncio.Task[tuple[T | None, BaseException | None]]) -> None:
        if task.cancelled():
            self.cancel()
        elif self._notify():
            result, error = task.result()
            if error is None:
                self.set_result(cast(T, result))
            else:
                self.set_exception(error)
