"""How the app is called back: in the thread that `post` leads to, or in the client's own."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable
from typing import Any

log = logging.getLogger("tailwire")
Post = Callable[[Callable[[], None]], object]
"""Has a function called in the app's thread, soon and in order. Called in the client's thread, it must not wait."""


class WindowGone(RuntimeError):
    """Raised by a `post` whose window is destroyed: nobody is left to be called back."""


class AppCallbacks:
    """Calls the app back.

    Args:
        post: None calls in the client's thread.
        loop: of the client.
    """

    def __init__(self, post: Post | None, loop: asyncio.AbstractEventLoop) -> None:
        self._post = post
        self._loop = loop
        self._waiting: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def posts(self) -> bool:
        """Whether callbacks run in another thread than the client's."""
        return self._post is not None

    async def call(self, callback: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Have a callback called, and wait for its end (in the client's thread).

        What waits here holds up the client's queue, and the queue holds up reading: an app that does not keep up is
        sent no more than it takes. What was not called when the client is closed counts as not handed over.
        """
        if self._post is None:
            await _called(callback, arguments)
            return
        task = asyncio.current_task()
        assert task is not None
        ended: asyncio.Future[None] = self._loop.create_future()

        def run() -> None:
            try:
                if not self._closed:
                    _run(callback, arguments)
            finally:
                self._soon(end)

        def end() -> None:
            if not ended.done():
                ended.set_result(None)

        self._waiting.add(task)
        try:
            self._hand_over(run)
            await ended
        finally:
            self._waiting.discard(task)

    def tell(self, callback: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Have a callback called, and do not wait for it (from any thread)."""
        if self._post is None:
            self._soon(lambda: _run(callback, arguments))
        else:
            self._hand_over(lambda: None if self._closed else _run(callback, arguments))

    def newest(self, callback: Callable[..., Any]) -> Callable[..., None]:
        """Return a callback for progress: of what is told by one first argument, only the newest waits to be called."""
        lock = threading.Lock()
        newest: dict[Any, tuple[Any, ...]] = {}

        def run(key: Any) -> None:
            with lock:
                arguments = newest.pop(key)
            callback(*arguments)

        def told(*arguments: Any) -> None:
            if self._post is None:
                _run(callback, arguments)
                return
            with lock:
                waits = arguments[0] in newest
                newest[arguments[0]] = arguments
            if not waits:
                self.tell(run, arguments[:1])

        return told

    def close(self) -> None:
        """Call nobody back any more; what waits for a callback is cancelled."""
        self._closed = True
        for task in list(self._waiting):
            task.cancel()

    def _hand_over(self, run: Callable[[], None]) -> None:
        assert self._post is not None
        try:
            self._post(run)
        except WindowGone as e:
            log.debug("%s: nothing more is handed over to its thread", e)  # as any app ends
        except Exception:
            log.exception("post() raised: nothing more is handed over to the app's thread; close the client")

    def _soon(self, function: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            log.debug("the client has ended: nobody waits for this callback")


def _run(callback: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        callback(*arguments)
    except Exception:
        log.exception("callback %s raised", getattr(callback, "__qualname__", callback))


async def _called(callback: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        result = callback(*arguments)
        if result is not None and inspect.isawaitable(result):
            await result
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():  # the client's end, not something that the app waited for
            raise
        name = getattr(callback, "__qualname__", callback)
        log.exception("callback %s waited for something that was cancelled", name)
    except (SystemExit, KeyboardInterrupt) as e:
        name = getattr(callback, "__qualname__", callback)
        log.error("%s raised %r in the client's thread, where it cannot end the program", name, e)
    except Exception:
        log.exception("callback %s raised", getattr(callback, "__qualname__", callback))
