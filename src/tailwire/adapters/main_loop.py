"""Run an async program until it ends or receives a signal."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(main: Coroutine[Any, Any, T]) -> T | None:
    """Run a coroutine as `asyncio.run` does, and return None on Ctrl+C or SIGTERM, without a traceback.

    ```python
    tailwire.run(main())
    ```

    The first signal cancels the coroutine, so that `async with ChatClient(…)` closes its client; a second one ends the
    program immediately. On Windows, only Ctrl+C is handled. In a thread other than the main one, no signal is handled.

    Args:
        main: the coroutine.

    Returns:
        The result of the coroutine; None if a signal ended it.
    """
    stopped = False

    async def until_signalled() -> T | None:
        nonlocal stopped
        loop, work = asyncio.get_running_loop(), asyncio.current_task()
        assert work is not None

        def stop() -> None:
            nonlocal stopped
            stopped = True
            for number in _SIGNALS:
                loop.remove_signal_handler(number)  # the next signal has its default effect
            work.cancel()

        if threading.current_thread() is threading.main_thread():
            with suppress(NotImplementedError):
                for number in _SIGNALS:
                    loop.add_signal_handler(number, stop)
        try:
            return await main
        except asyncio.CancelledError:
            if not stopped:
                raise
            work.uncancel()
            return None

    try:
        return asyncio.run(until_signalled())
    except KeyboardInterrupt:
        return None
