"""Run a program until it ends or is told to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(main: Coroutine[Any, Any, T]) -> T | None:
    """Run a coroutine as `asyncio.run` does, and end it quietly at Ctrl+C or SIGTERM.

    The first signal cancels the coroutine, so that `async with ChatClient(…)` closes its client; a second one ends the
    program at once. On Windows, where the loop takes no signals, Ctrl+C alone does so.

    Returns:
        What the coroutine returns; None when a signal ended it.
    """
    stopped = False

    async def until_told() -> T | None:
        nonlocal stopped
        loop, work = asyncio.get_running_loop(), asyncio.current_task()
        assert work is not None

        def stop() -> None:
            nonlocal stopped
            stopped = True
            for number in _SIGNALS:
                loop.remove_signal_handler(number)  # the next one is not held back
            work.cancel()

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
        return asyncio.run(until_told())
    except KeyboardInterrupt:
        return None
