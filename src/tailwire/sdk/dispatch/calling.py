"""Call the app's code. Exceptions that it raises are logged, and stop nothing else (K4)."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

log = logging.getLogger("tailwire")


async def call_listener(callback: Callable[..., Any], arguments: tuple[Any, ...], kind: str = "listener") -> None:
    """Call a callback of the app, which may be async, and wait until it has finished.

    An exception that the callback raises is logged and not raised.

    Args:
        kind: the word for the callback in the log line.
    """
    try:
        result = callback(*arguments)
        if result is not None and inspect.isawaitable(result):
            await result
    except asyncio.CancelledError:
        log_cancellation(kind, getattr(callback, "__qualname__", callback))
    except Exception:
        log.exception("%s %s raised", kind, getattr(callback, "__qualname__", callback))


def log_cancellation(kind: str, name: object) -> None:
    """Log the `CancelledError` that is being handled, or raise it again if the current task is being cancelled.

    Call it in an `except asyncio.CancelledError` around a call of the app's code: this code may raise the error
    without a cancellation of the current task, by awaiting another task that was cancelled.

    Args:
        kind, name: what was called, for the log line.
    """
    task = asyncio.current_task()
    if task is None or task.cancelling():
        raise
    log.exception("%s %s waited for something that was cancelled", kind, name)
