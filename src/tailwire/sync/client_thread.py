"""The thread of a blocking client: its event loop, calls into it, and its shutdown.

A call from another process (after a fork), a blocking call from the client's own thread, and a call of a closed client
are refused. A call that has not ended when the client is closed is ended then. The thread is a daemon, so that it does
not keep the program alive. Clients that the app has not closed are closed by `atexit`, while threads still run.
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
EXIT_TIMEOUT_SECONDS = 5.0
_CALLED_IN_ANOTHER_THREAD = frozenset({"close", "events", "messages"})
_open: set[ClientThread] = set()


class AsyncClient(Protocol):
    """A `ChatClient` or an `Admin`."""

    async def aclose(self) -> None: ...


C = TypeVar("C", bound=AsyncClient)


class ClientThread:
    """Runs an async client in its own thread.

    Args:
        post: schedules functions in the app's thread; None to call them in the client's thread.
        kind: the class name of the blocking client, for messages.

    Attributes:
        callbacks: calls functions of the app.
    """

    def __init__(self, post: Post | None, kind: str = "Client") -> None:
        self._loop: asyncio.AbstractEventLoop
        self.callbacks: AppCallbacks
        self._post = post
        self._process = os.getpid()
        self._lock = threading.RLock()  # reentrant: finalizers may call this while it is held
        self._closing = False
        self._error: Exception | None = None
        self._begun: set[CallFuture[Any]] = set()  # the loop has only weak references to its tasks
        self._kept: set[asyncio.Task[None]] = set()
        self._kind = kind
        self._target: AsyncClient | None = None
        self._made = concurrent.futures.Future[None]()  # done once the loop exists
        self._thread = threading.Thread(target=self._run, name=f"tailwire {kind.lower()}", daemon=True)

    def open(self, make: Callable[[], C], started: Callable[[C], Awaitable[object]], limit: float | None) -> C:
        """Start the thread, create the client in it, and return the client, which may only be used in that thread.

        Args:
            make: creates the client.
            started: called with the client and awaited, to initialise it.
            limit: the timeout in seconds; None for no limit.

        Raises:
            OSError: the event loop cannot be created, for example because too many files are open.
            Exception: `make` or `started` raised it. The thread is stopped then.
            TimeoutError: the client was not ready in time. The thread is stopped then.
        """

        async def begin() -> C:
            self._target = made = make()
            await started(made)
            return made

        self._thread.start()
        self._made.result()
        _open.add(self)
        try:
            return self.wait(self.begin(begin), limit, "init")
        except BaseException:
            self.close(EXIT_TIMEOUT_SECONDS)
            raise

    def _run(self) -> None:
        try:
            self._make_loop()
        except BaseException as e:  # noqa: BLE001 - open() raises it
            self._made.set_exception(e)
            return
        self._made.set_result(None)
        while True:
            try:
                self._loop.run_forever()
                break
            except BaseException:
                log.exception("an exception tried to end the client's thread; it continues")
        self._loop.close()
        _open.discard(self)

    def _make_loop(self) -> None:
        # In this thread: on Windows, a loop that is created in the main thread takes over the signals of the program.
        # Do not use the event loop policy: the app may have set one for its GUI.
        name = "ProactorEventLoop" if sys.platform == "win32" else "SelectorEventLoop"
        self._loop = getattr(asyncio, name)()
        self.callbacks = AppCallbacks(self._post, self._loop)

    # Calls into the thread.

    @property
    def inside(self) -> bool:
        """Whether the caller runs in the client's own thread."""
        return threading.get_ident() == self._thread.ident

    @property
    def ended(self) -> bool:
        """Whether the client was closed and its thread has ended."""
        return self._closing and not self._thread.is_alive()

    def check(self) -> None:
        """Check that this is the process in which the client was created.

        Raises:
            RuntimeError: after a fork.
        """
        if os.getpid() != self._process:
            raise RuntimeError(
                f"this client was created in process {self._process}, before fork(), and its thread runs there: "
                "create a client in each process, after the fork (gunicorn: post_fork; celery: worker_process_init)"
            )

    def check_outside(self, name: str, instead: str = "") -> None:
        """Check that the caller may block: that it is in this process, and not in the client's own thread.

        Args:
            name: the name of the call.
            instead: what to do instead, for the error message; derived from `name` if empty.

        Raises:
            RuntimeError: called in the client's own thread, or after a fork.
        """
        self.check()
        if self.inside:
            how = instead or (
                "Call it in another thread"
                if name in _CALLED_IN_ANOTHER_THREAD
                else f"Use start({name!r}, …), which does not wait"
            )
            raise RuntimeError(
                f"{name}() was called in the client's own thread (from a listener or a callback), and would block "
                f"itself. {how}, or give the client a post= that calls back in your thread"
            )

    def begin(self, make: Callable[[], Awaitable[T]]) -> CallFuture[T]:
        """Schedule an async call in the client's thread, from any thread, and return its future.

        Args:
            make: called in the client's thread; returns what is awaited there.

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
        self.check_outside("future.result", "Give start() a done= function, which is called with the result")

    def run_task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a coroutine as a task, and return the task. To be called only in the client's thread.

        The task is cancelled when the client is closed.
        """
        task = self._loop.create_task(work, name=name)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        return task

    def call_soon(self, function: Callable[[], object]) -> None:
        """Schedule a function in the client's thread without waiting for it; in that thread, call it immediately.

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

    def call(self, function: Callable[[], T], limit: float | None, name: str) -> T:
        """Call a function in the client's thread, and return its result.

        It is called directly if this is that thread, or if the thread has ended.

        Args:
            function: called without arguments; what it raises is raised here.
            limit: the timeout in seconds; None for no limit.
            name: the name of the call, for the error message.

        Raises:
            TimeoutError: the call has not ended in time.
            CometChatException: `ERR_CLIENT_CLOSED` if the client is being closed.
            RuntimeError: after a fork.
        """
        self.check()
        if self.inside or self.ended:
            return function()

        async def call() -> T:
            return function()

        return self.wait(self.begin(call), limit, name)

    def wait(self, future: CallFuture[T], limit: float | None, name: str, *, keep: bool = False) -> T:
        """Wait for a call, and return its result or raise its exception.

        If the wait ends before the call (by the timeout, or by Ctrl+C), the call is cancelled, unless `keep`.

        Args:
            future: the call.
            limit: the timeout in seconds; None for no limit.
            name: the name of the call, for the error message.
            keep: whether to leave the call running if the wait ends first, because the caller will wait for it again.

        Raises:
            TimeoutError: the call has not ended in time; the text says whether it may have had an effect.
            CometChatException: `ERR_CLIENT_CLOSED` if the client was closed meanwhile.
        """
        try:
            return future.result(limit)
        except concurrent.futures.CancelledError:
            if self._closing:
                raise failure("ERR_CLIENT_CLOSED") from None
            raise
        except BaseException as e:  # including KeyboardInterrupt
            cancelled, begun = (False, True) if keep or future.done() else future.try_cancel()
            if not isinstance(e, TimeoutError):
                raise
            if not cancelled and future.done():
                return future.result()  # it has just ended, or raised this itself
            if keep:
                what = "continues"
            elif begun:
                what = "was cancelled, but it had begun: it may still have taken effect"
            else:
                what = "was cancelled before it began, so nothing was done: something blocks the client's thread"
            raise TimeoutError(
                f"{name}() has not ended within {limit:g} s, and {what}. "
                "Allow more time with with_timeout(seconds), or use start(), which does not wait"
            ) from None

    # Shutdown.

    def begin_close(self) -> None:
        """Start closing the client, without waiting. Does nothing if this has begun, or in a forked process."""
        if os.getpid() != self._process:
            return
        with self._lock:
            if not self._closing:
                self._closing = True
                self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._ending = self._loop.create_task(self._close_client(), name="tailwire close")

    async def _close_client(self) -> None:
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
        """Close the client, and wait until its thread has ended. Does nothing in a forked process.

        Raises:
            TimeoutError: the thread has not ended in time; it continues to shut down.
            RuntimeError: called in the client's own thread.
            Exception: `aclose()` of the async client raised it; the thread has ended.
        """
        if os.getpid() != self._process:
            return
        if self.ended:
            return
        self.check_outside("close")
        self.begin_close()
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"the client has not ended within {timeout} s: a listener in its thread may be blocking")
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close_dropped(self) -> None:
        """Close the client because nothing refers to it any longer, with a warning."""
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
        with suppress(TimeoutError):  # the program exits anyway
            client_thread.close(EXIT_TIMEOUT_SECONDS)
