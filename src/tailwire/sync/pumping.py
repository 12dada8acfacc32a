"""Hand over what comes from an async source to a function of the app, one after the other."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, TypeVar

from tailwire.sync.portal import Portal

T = TypeVar("T")


def pump(
    source: AsyncIterator[T],
    told: Callable[[T], object],
    portal: Portal,
    name: str,
    close: Callable[[], Any] = lambda: None,
) -> Callable[[], None]:
    """Call a function with everything that comes; called in the client's thread.

    Args:
        source: where it comes from. The next is taken when the function has returned.
        told: called where the client's callbacks are.
        name: of the task.
        close: ends the source.

    Returns:
        What stops it, from any thread. Nothing is told behind it in the thread where the function is called.
    """
    stopped = False

    @functools.wraps(told)  # what it raises is logged under its name
    def tell(value: T) -> object:
        return None if stopped else told(value)

    async def run() -> None:
        async for value in source:
            await portal.outlet.call(tell, (value,))

    task = portal.keep(run(), name)

    def stop() -> None:
        nonlocal stopped
        stopped = True

        def end() -> None:
            close()
            task.cancel()

        with suppress(Exception):  # a client that is closed has ended it
            portal.soon(end)

    return stop
