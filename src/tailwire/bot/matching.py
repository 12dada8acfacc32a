"""Decide which handler gets a message: commands, patterns and other filters."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from tailwire.bot.context import Context
from tailwire.wire.constants import ReceiverType

Handler = Callable[[Context], Awaitable[None]]
Matches = Callable[[Context], bool]
F = TypeVar("F", bound=Callable[..., Awaitable[None]])


@dataclass(frozen=True, slots=True)
class Route:
    """A handler, and whether it gets a message. Matching sets `ctx.args` and `ctx.match`."""

    handler: Handler
    matches: Matches


def command_matcher(names: Collection[str]) -> Matches:
    """Return a matcher of messages that begin with `/` and one of the names, in any case.

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


def message_matcher(
    uid: str,
    *,
    pattern: str | re.Pattern[str] | None,
    direct: bool | None,
    group: str | None,
    mentioned: bool | None,
) -> Matches:
    """Return a matcher of messages that pass all filters. A filter that is None passes every message.

    Args:
        uid: the bot's.
        pattern: as for `Bot.on_message`, like the others.
        direct: True for messages to the bot, False for messages to groups.
        group: the guid of the group that the message was sent to.
        mentioned: whether the bot is mentioned.

    Raises:
        re.error: the pattern is invalid.
    """
    compiled = re.compile(pattern) if pattern is not None else None

    def matches(ctx: Context) -> bool:
        m = ctx.message
        to_group = m.receiver_type == ReceiverType.GROUP
        if direct is not None and direct == to_group:
            return False
        if group is not None and not (to_group and m.receiver == group):
            return False
        if mentioned is not None and m.mentions(uid) != mentioned:
            return False
        ctx.match = compiled.search(ctx.text) if compiled is not None else None
        return compiled is None or ctx.match is not None

    return matches


def checked_handler(handler: F) -> F:
    """Return the handler.

    Raises:
        TypeError: it is not an async function.
    """
    if not callable(handler):
        raise TypeError(f"{handler!r} is not a handler: give filters by keyword, such as pattern=…")
    call: Any = getattr(handler, "__call__", None)  # noqa: B004 - an object may have an async __call__
    if not inspect.iscoroutinefunction(handler) and not inspect.iscoroutinefunction(call):
        name = getattr(handler, "__qualname__", repr(handler))
        raise TypeError(f"{name} is not async: define handlers with async def")
    return handler
