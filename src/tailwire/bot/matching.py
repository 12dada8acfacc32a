"""Check the functions that are registered as handlers, and recognise messages that are commands."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

from tailwire.bot.context import Context

Handler = Callable[[Context], Awaitable[None]]
Matches = Callable[[Context], bool]
"""Returns whether a handler is to be called with this message. It may set `ctx.args` and `ctx.match`."""
F = TypeVar("F", bound=Callable[..., Awaitable[None]])


def command_matcher(names: Collection[str]) -> Matches:
    """Return a function that matches messages whose first word is `/` and one of the names, in any case.

    It puts the other words into `ctx.args`.

    Raises:
        ValueError: there is no name, or one that is not a word.
    """
    if not names or any(not isinstance(name, str) or not re.fullmatch(r"\w[\w-]*", name) for name in names):
        raise ValueError(f'command{names}: give names without the slash, such as command("help")')
    known = {name.lower() for name in names}

    def matches(ctx: Context) -> bool:
        words = ctx.text.split()
        if not words or words[0][:1] != "/" or words[0][1:].lower() not in known:
            return False
        ctx.args = words[1:]
        return True

    return matches


def checked_handler(handler: F, *arguments: str) -> F:
    """Return the handler unchanged if it can be called and awaited with the given arguments.

    Args:
        arguments: names for the positional arguments that the handler will be called with, for the error text.

    Raises:
        TypeError: the handler is not an async function, or cannot be called with these arguments.
    """
    if not callable(handler):
        raise TypeError(f"{handler!r} is not a handler: give filters by keyword, such as pattern=…")
    call: Any = getattr(handler, "__call__", None)  # noqa: B004 - an object may have an async __call__
    if not inspect.iscoroutinefunction(handler) and not inspect.iscoroutinefunction(call):
        name = getattr(handler, "__qualname__", repr(handler))
        raise TypeError(f"{name} is not async: define handlers with async def")
    try:
        inspect.signature(handler).bind(*arguments)
    except TypeError as e:
        wanted = f"async def {getattr(handler, '__name__', 'handler')}({', '.join(arguments)})"
        raise TypeError(f"it is called with ({', '.join(arguments)}): {e}; write {wanted}") from None
    return handler
