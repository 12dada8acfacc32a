"""Call the functions that subscribed to the transitions of a connection. An exception of one is logged only."""

from __future__ import annotations

import inspect
import itertools
import logging
from collections.abc import Callable
from typing import TypeVar

from tailwire.sdk.connection.history import Transition

log = logging.getLogger("tailwire")
T = TypeVar("T")


def call_plain(function: Callable[[T], object], argument: T, what: str) -> None:
    """Call a function of the app that is not async, and log any exception except `KeyboardInterrupt` and `SystemExit`.

    `CancelledError` is logged too: nothing is awaited here, so it cannot mean that the running task is being cancelled,
    and if it passed through it would end a task of the client.

    Args:
        what: describes the function in the log line.
    """
    try:
        function(argument)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        log.exception("%s failed", what)


class Watchers:
    """The subscribed functions, in the order in which they were added."""

    def __init__(self) -> None:
        self._callbacks: dict[int, Callable[[Transition], object]] = {}
        self._numbers = itertools.count()

    def add(self, callback: Callable[[Transition], object]) -> Callable[[], None]:
        """Add a function. Return a function that removes it. The same function may be added twice.

        Raises:
            TypeError: if the function is not callable, or is a coroutine function, which would not be awaited.
        """
        if not callable(callback):
            raise TypeError(f"subscribe() takes a function of one Transition, not a {type(callback).__name__}")
        if inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(getattr(callback, "__call__", None)):  # noqa: B004
            raise TypeError("subscribe() takes a plain function: start a task in it to await something")
        number = next(self._numbers)
        self._callbacks[number] = callback

        def stop() -> None:
            self._callbacks.pop(number, None)

        return stop

    def notify(self, transition: Transition | None) -> None:
        """Call all functions with a transition; do nothing for None."""
        if transition is None:
            return
        for number, callback in list(self._callbacks.items()):
            if number in self._callbacks:  # not removed by an earlier function
                call_plain(callback, transition, "a function that was given to connection.subscribe()")
