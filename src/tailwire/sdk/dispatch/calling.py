"""Call the app's code. What it raises is logged and stops nothing else (K4)."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

log = logging.getLogger("tailwire")


async def call_listener(callback: Callable[..., Any], arguments: tuple[Any, ...], kind: str = "listener") -> None:
    """Call a callback of the app, which may be async, and wait until it has finished. What it raises is logged.

    Args:
        kind: what the callback is, for the log.
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

    Call it where the app's code is called: an app may raise the error itself, by awaiting a task that was cancelled.
    """
    task = asyncio.current_task()
    if task is None or task.cancelling():
        raise
    log.exception("%s %s waited for something that was cancelled", kind, name)
