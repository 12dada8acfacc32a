"""Hand over what comes from an async source to a function of the app, one after the other."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, TypeVar

from tailwire.sync.client_thread import ClientThread

T = TypeVar("T")


def pump(
    source: AsyncIterator[T],
    told: Callable[[T], object],
    client_thread: ClientThread,
    name: str,
    close: Callable[[], Any] | None = None,
    done: Callable[[T], object] = lambda _: None,
) -> Callable[[], None]:
    """Call a function with everything that comes; called in the client's thread.

    Args:
        source: where it comes from. The next is taken when the function has returned.
        told: called where the client's callbacks are.
        name: of the task.
        close: ends the source; None where that ends with the task.
        done: called in the client's thread when the function has returned, and for what is left untold when this is
            stopped; not for what the client's end cuts short.

    Returns:
        What stops it, from any thread. Nothing is told behind it in the thread where the function is called.
    """
    stopped = False

    @functools.wraps(told)  # what it raises is logged under its name
    def tell(value: T) -> object:
        return None if stopped else told(value)

    async def run() -> None:
        try:
            async for value in source:
                if not stopped:
                    await client_thread.callbacks.call(tell, (value,))
                done(value)
        finally:
            if close is not None:
                close()  # whatever ended this: nobody is held up by a source that is not read

    task = client_thread.keep(run(), name)

    def stop() -> None:
        nonlocal stopped
        stopped = True
        with suppress(Exception):  # a client that is closed has ended it
            client_thread.soon(close if close is not None else task.cancel)

    return stop
