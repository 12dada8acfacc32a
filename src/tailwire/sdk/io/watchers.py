"""Those who are told each transition of a connection as it happens.

Rule: what one of them raises is logged, and harms neither the connection nor the others.
"""

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
    """Call a plain function of the app. What it raises is logged, and does not reach the caller.

    That holds for `CancelledError` too: nothing is awaited here, so no cancellation of the running task can arrive,
    and one that the function raises would end a task of the client. Only `KeyboardInterrupt` and `SystemExit` pass.

    Args:
        what: the function, in words, for the log.
    """
    try:
        function(argument)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        log.exception("%s failed", what)


class Watchers:
    """The functions that are told, in the order in which they were added."""

    def __init__(self) -> None:
        self._told: dict[int, Callable[[Transition], object]] = {}
        self._numbers = itertools.count()

    def add(self, told: Callable[[Transition], object]) -> Callable[[], None]:
        """Add a function; return another one that removes it. The same function may be added twice.

        Raises:
            TypeError: when it cannot be called, or is a coroutine function: nobody would await it.
        """
        if not callable(told):
            raise TypeError(f"subscribe() takes a function of one Transition, not a {type(told).__name__}")
        if inspect.iscoroutinefunction(told) or inspect.iscoroutinefunction(getattr(told, "__call__", None)):  # noqa: B004
            raise TypeError("subscribe() takes a plain function: start a task in it for what has to be awaited")
        number = next(self._numbers)
        self._told[number] = told

        def stop() -> None:
            self._told.pop(number, None)

        return stop

    def tell(self, transition: Transition | None) -> None:
        """Tell all of them; None is no transition."""
        if transition is None:
            return
        for number, told in list(self._told.items()):
            if number in self._told:  # none of those before has removed it
                call_plain(told, transition, "a function that was given to connection.subscribe()")
