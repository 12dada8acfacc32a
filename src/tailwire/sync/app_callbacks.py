"""Call functions of the app: in the thread that its `post` schedules functions in, or in the client's own thread."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

from tailwire.sdk.dispatch.calling import call_listener

log = logging.getLogger("tailwire")
Post = Callable[[Callable[[], None]], object]
"""A function of the app that schedules the given function in the app's thread, soon and in the order of the calls.

It must return without waiting. It may be called in the client's thread, and in any thread that uses the client.
"""


class WindowGone(RuntimeError):
    """Raised by a `post` that cannot schedule functions any longer, because its window was destroyed."""


class AppCallbacks:
    """Calls functions of the app in the thread that the app has chosen.

    Args:
        post: schedules functions in the app's thread; None to call them in the client's thread.
        loop: the client's event loop.
    """

    def __init__(self, post: Post | None, loop: asyncio.AbstractEventLoop) -> None:
        self._post = post
        self._loop = loop
        self._waiting: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def posts(self) -> bool:
        """Whether callbacks run in a thread other than the client's."""
        return self._post is not None

    async def call(self, callback: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Call a callback in the app's thread (without `post`, in the client's), and wait until it has returned.

        To be called in the client's thread. Because this waits, a slow app slows the client down: events accumulate,
        and the client stops reading from the server. An exception of the callback is logged.

        Raises:
            asyncio.CancelledError: the client was closed before the callback returned.
        """
        if self._post is None:
            await _await_callback(callback, arguments)
            return
        task = asyncio.current_task()
        assert task is not None
        ended: asyncio.Future[None] = self._loop.create_future()

        def run() -> None:
            try:
                if not self._closed:
                    _run_callback(callback, arguments)
            finally:
                self._call_in_loop(end)

        def end() -> None:
            if not ended.done():
                ended.set_result(None)

        self._waiting.add(task)
        try:
            self._post_call(run)
            await ended
        finally:
            self._waiting.discard(task)

    def call_soon(self, callback: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Schedule a callback, from any thread, without waiting for it. It is dropped if the client ends first."""
        if self._post is None:
            self._call_in_loop(lambda: _run_callback(callback, arguments))
        else:
            self._post_call(lambda: None if self._closed else _run_callback(callback, arguments))

    def latest_only(self, callback: Callable[..., Any]) -> Callable[..., None]:
        """Return a wrapper of a progress callback that schedules calls without waiting, and leaves out old progress.

        While a call waits for the app's thread, a later one with the same first argument replaces it. Without `post`,
        the callback is called directly.
        """
        lock = threading.Lock()
        newest: dict[Any, tuple[Any, ...]] = {}

        def run(key: Any) -> None:
            with lock:
                arguments = newest.pop(key)
            callback(*arguments)

        def call_latest(*arguments: Any) -> None:
            if self._post is None:
                _run_callback(callback, arguments)
                return
            with lock:
                waits = arguments[0] in newest
                newest[arguments[0]] = arguments
            if not waits:
                self.call_soon(run, arguments[:1])

        return call_latest

    def close(self) -> None:
        """Call no further functions of the app, and cancel the tasks that wait for a callback in `call`."""
        self._closed = True
        for task in list(self._waiting):
            task.cancel()

    def _post_call(self, run: Callable[[], None]) -> None:
        assert self._post is not None
        try:
            self._post(run)
        except WindowGone as e:
            log.debug("%s: no more callbacks are posted to its thread", e)  # normal when an app exits
        except Exception:
            log.exception("post() raised: no more callbacks are posted to the app's thread; close the client")

    def _call_in_loop(self, function: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            log.debug("the client has ended; the result of a callback is dropped")


def _run_callback(callback: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        callback(*arguments)
    except Exception:
        log.exception("callback %s raised", getattr(callback, "__qualname__", callback))


async def _await_callback(callback: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        await call_listener(callback, arguments, "callback")
    except (SystemExit, KeyboardInterrupt) as e:
        name = getattr(callback, "__qualname__", callback)
        log.error("%s raised %r in the client's thread, where it cannot end the program", name, e)
