"""An event loop in a thread of its own. It runs a server or proxy for tests with another event loop, or without one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """A thread with an event loop. It starts at once, runs until `stop()`, and does not keep the process alive.

    Args:
        name: the name of the thread.

    Raises:
        OSError: the loop cannot be created, for example because too many files are open.
    """

    def __init__(self, name: str) -> None:
        made = Future[asyncio.AbstractEventLoop]()
        self._thread = threading.Thread(target=_run, args=(made,), name=name, daemon=True)
        self._thread.start()
        self._loop = made.result()

    def call(self, work: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        """Run a coroutine in the thread, and return its result. Blocks until it has ended.

        Call it from another thread: in the loop's own thread it would wait for itself.

        Args:
            work: the coroutine.
            timeout: seconds to wait for its result.

        Raises:
            TimeoutError: if it does not finish in time; it keeps running.
            Exception: whatever the coroutine raises.
        """
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def stop(self) -> None:
        """Stop the loop without cancelling its tasks, and wait up to 10 s for the thread to end. Call it only once."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def _run(made: Future[asyncio.AbstractEventLoop]) -> None:
    # The loop is created here: on Windows, one that is created in the main thread takes over the program's signals.
    try:
        loop = asyncio.new_event_loop()
    except BaseException as e:  # noqa: BLE001 - the constructor raises it
        made.set_exception(e)
        return
    made.set_result(loop)
    loop.run_forever()
