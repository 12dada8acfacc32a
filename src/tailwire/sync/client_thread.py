"""The thread of a client: its event loop, the way into it, and its end.

Rules: whoever comes from outside is checked first (another process, the client's own thread, a closed client); what
was accepted comes to an end, at the latest when the client is closed. The thread is a daemon, so that it keeps no
program alive; what was not closed is closed by `atexit`, while threads still run.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import logging
import os
import sys
import threading
import warnings
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from tailwire.sdk.exceptions import failure
from tailwire.sync.app_callbacks import AppCallbacks, Post
from tailwire.sync.future import CallFuture

log = logging.getLogger("tailwire")
T = TypeVar("T")
AT_EXIT = 5.0
_ELSEWHERE = frozenset({"close", "events", "messages"})
_open: set[ClientThread] = set()


class Closing(Protocol):
    """An async client: a `ChatClient`, or an `Admin`."""

    async def aclose(self) -> None: ...


C = TypeVar("C", bound=Closing)


class ClientThread:
    """Runs an async client in a thread.

    Attributes:
        callbacks: how the app is called back.

    Args:
        post: see `AppCallbacks`.
        kind: the blocking client, as `Client`; for what is said of it.
    """

    def __init__(self, post: Post | None, kind: str = "Client") -> None:
        # Not the policy's loop: an app may have set a policy for its GUI.
        self._loop: asyncio.AbstractEventLoop = getattr(
            asyncio, "ProactorEventLoop" if sys.platform == "win32" else "SelectorEventLoop"
        )()
        self.callbacks = AppCallbacks(post, self._loop)
        self._process = os.getpid()
        self._lock = threading.RLock()  # what is collected meanwhile may come here too
        self._closing = False
        self._error: Exception | None = None
        self._begun: set[CallFuture[Any]] = set()  # a loop holds its tasks weakly
        self._kept: set[asyncio.Task[None]] = set()
        self._kind = kind
        self._target: Closing | None = None
        self._thread = threading.Thread(target=self._run, name=f"tailwire {kind.lower()}", daemon=True)

    def open(self, make: Callable[[], C], started: Callable[[C], Awaitable[object]], limit: float | None) -> C:
        """Start the thread and the client in it, and return the client: only to be touched in that thread.

        Args:
            make: makes the client.
            started: called with it, and waited for.

        Raises:
            Exception: what either raises; nothing is left then.
        """

        async def begin() -> C:
            self._target = made = make()
            await started(made)
            return made

        self._thread.start()
        _open.add(self)
        try:
            return self.wait(self.begin(begin), limit, "init")
        except BaseException:
            self.close(AT_EXIT)
            raise

    def _run(self) -> None:
        while True:
            try:
                self._loop.run_forever()
                break
            except BaseException:
                log.exception("something tried to end the client's thread; it goes on")
        self._loop.close()
        _open.discard(self)

    # The way in.

    @property
    def inside(self) -> bool:
        """Whether this is the client's own thread."""
        return threading.get_ident() == self._thread.ident

    @property
    def ended(self) -> bool:
        """Whether the thread is over."""
        return self._closing and not self._thread.is_alive()

    def check(self) -> None:
        """Check that this is the process in which the client was made.

        Raises:
            RuntimeError: after a fork.
        """
        if os.getpid() != self._process:
            raise RuntimeError(
                f"this client was made in process {self._process}, before fork(): its thread and its connection are "
                "there. Make a client in each process, after the fork (gunicorn: post_fork; celery: "
                "worker_process_init)"
            )

    def check_outside(self, name: str, instead: str = "") -> None:
        """Check that waiting here would not be waiting for oneself.

        Args:
            name: of what would wait.
            instead: what to do, for the error; found by the name where it is empty.

        Raises:
            RuntimeError: in the client's own thread.
        """
        self.check()
        if self.inside:
            how = instead or (
                "Have another thread call it" if name in _ELSEWHERE else f"Use start({name!r}, …), which does not wait"
            )
            raise RuntimeError(
                f"{name}() was called in the client's own thread (from a listener or a callback), and would wait for "
                f"itself. {how}, or give the client a post= that calls back in your thread"
            )

    def begin(self, make: Callable[[], Awaitable[T]]) -> CallFuture[T]:
        """Begin something in the client's thread.

        Raises:
            CometChatException: `ERR_CLIENT_CLOSED`.
            RuntimeError: after a fork.
        """
        self.check()
        future = CallFuture[T](self._check_future)
        with self._lock:
            if self._closing:
                raise failure("ERR_CLIENT_CLOSED")
            future.begin(self._loop, make)
            self._begun.add(future)
        future.add_done_callback(self._begun.discard)
        return future

    def _check_future(self) -> None:
        self.check_outside("future.result", "Give start() a function, done=, that is called with the result")

    def keep(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run something until its end, or that of the client (in the client's thread)."""
        task = self._loop.create_task(work, name=name)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        return task

    def soon(self, function: Callable[[], object]) -> None:
        """Have a function called in the client's thread, without waiting; at once where this is it.

        Raises:
            CometChatException: `ERR_CLIENT_CLOSED`.
            RuntimeError: after a fork.
        """
        self.check()
        with self._lock:
            if self._closing:
                raise failure("ERR_CLIENT_CLOSED")
            if not self.inside:
                self._loop.call_soon_threadsafe(function)
                return
        function()

    def do(self, function: Callable[[], T], limit: float | None, name: str) -> T:
        """Call a function in the client's thread, and wait; at once where this is it, or where the thread is over."""
        self.check()
        if self.inside or self.ended:
            return function()

        async def call() -> T:
            return function()

        return self.wait(self.begin(call), limit, name)

    def wait(self, future: CallFuture[T], limit: float | None, name: str, *, keep: bool = False) -> T:
        """Wait for what was begun. What is not waited for to its end is cancelled.

        Args:
            limit: seconds; None waits for ever.
            keep: do not cancel it: it is waited for again.

        Raises:
            TimeoutError: it has not come to its end in time; says whether it had begun.
            CometChatException: `ERR_CLIENT_CLOSED` when the client was closed meanwhile.
        """
        try:
            return future.result(limit)
        except concurrent.futures.CancelledError:
            if self._closing:
                raise failure("ERR_CLIENT_CLOSED") from None
            raise
        except BaseException as e:  # also Ctrl+C, and what others throw into a thread that waits
            cancelled, begun = (False, True) if keep or future.done() else future.give_up()
            if not isinstance(e, TimeoutError):
                raise
            if not cancelled and future.done():
                return future.result()  # it came to its end just now, or the call itself raised this
            if keep:
                what = "still goes on"
            elif begun:
                what = "was cancelled, but it had begun: what it does may have been done all the same"
            else:
                what = "was cancelled before it began, so nothing was done: something held up the client's thread"
            raise TimeoutError(
                f"{name}() has not ended within {limit:g} s, and {what}. "
                "Give it longer with with_timeout(seconds), or use start(), which does not wait"
            ) from None

    # The end.

    def begin_close(self) -> None:
        """Begin to close the client, without waiting."""
        if os.getpid() != self._process:
            return
        with self._lock:
            if not self._closing:
                self._closing = True
                self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._ending = self._loop.create_task(self._shut(), name="tailwire close")

    async def _shut(self) -> None:
        try:
            self.callbacks.close()
            if self._target is not None:
                await self._target.aclose()
        except Exception as e:  # noqa: BLE001 - close() raises it
            self._error = e
        finally:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left)
            await self._loop.shutdown_asyncgens()
            self._loop.stop()

    def close(self, timeout: float | None) -> None:
        """Close the client, and wait for the end of its thread. Nothing in another process.

        Raises:
            TimeoutError: it has not ended in time; it goes on ending.
            RuntimeError: in the client's own thread.
        """
        if os.getpid() != self._process:
            return
        if self.ended:
            return
        self.check_outside("close")
        self.begin_close()
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"the client has not ended within {timeout} s: a listener in its thread may not return")
        error, self._error = self._error, None
        if error is not None:
            raise error

    def dropped(self) -> None:
        """Take notice that nobody holds the client any more."""
        if os.getpid() == self._process and not self._closing:
            self.begin_close()
            warnings.warn(
                f"a tailwire.sync.{self._kind} was dropped without close(); use `with {self._kind}(…) as …`",
                ResourceWarning, stacklevel=2, source=self,
            )  # fmt: skip


@atexit.register
def _close_all() -> None:
    for client_thread in list(_open):
        client_thread.begin_close()
    for client_thread in list(_open):
        with suppress(TimeoutError):  # the program ends anyway
            client_thread.close(AT_EXIT)
