"""Call a function of the app with the items of an async source, one at a time."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, TypeVar

from tailwire.sync.client_thread import ClientThread

T = TypeVar("T")


def pump(
    source: AsyncIterator[T],
    callback: Callable[[T], object],
    client_thread: ClientThread,
    name: str,
    close: Callable[[], Any] | None = None,
    done: Callable[[T], object] = lambda _: None,
) -> Callable[[], None]:
    """Call a function with every item of a source. Must be called in the client's thread.

    Args:
        source: the async source. The next item is requested when the function has returned.
        callback: the function; it is called in the app's thread.
        client_thread: the thread of the client.
        name: the name of the task.
        close: closes the source; None if cancelling the task is enough.
        done: called in the client's thread when the function has returned, and for items that are dropped because the
            calls were stopped. It is not called for items that are pending when the client is closed.

    Returns:
        A function that stops the calls, from any thread. If it is used in the thread in which `callback` is called, no
        further call follows.
    """
    stopped = False

    @functools.wraps(callback)  # errors are logged under its name
    def forward(value: T) -> object:
        return None if stopped else callback(value)

    async def run() -> None:
        try:
            async for value in source:
                if not stopped:
                    await client_thread.callbacks.call(forward, (value,))
                done(value)
        finally:
            if close is not None:
                close()  # an unread source would block its producer

    task = client_thread.run_task(run(), name)

    def stop() -> None:
        nonlocal stopped
        stopped = True
        with suppress(Exception):  # the client is closed, which has ended it
            client_thread.call_soon(close if close is not None else task.cancel)

    return stop
