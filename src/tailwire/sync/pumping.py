"""Call a function of the app with the items of an async iterator, one after the other."""

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
    """Start a task that calls a function of the app with every item of a source. Must be called in the client's thread.

    Args:
        source: the source. The next item is requested when the function has returned.
        callback: the function. It is called in the app's thread if the client has a `post`, else in the client's.
        client_thread: the thread of the client.
        name: the name of the task.
        close: closes the source, which ends the task; None to cancel the task instead.
        done: called with each item in the client's thread when the function has returned, and with items that are
            dropped because the calls were stopped. It is not called with items that wait when the client is closed.

    Returns:
        A function that stops the calls; it may be called in any thread. If it is called in the thread in which
        `callback` is called, no further call follows. If it is called in another thread, one more call may follow.
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
