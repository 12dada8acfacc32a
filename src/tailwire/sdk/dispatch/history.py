"""Reads history for as long as it takes, and makes messages of it: what fails is asked for again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tailwire.sdk.dispatch.queue import Queue
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.io import answers
from tailwire.sdk.retry import RetryPolicy, Waits
from tailwire.wire.codec import MAX_ID, UNREADABLE, message_from_wire
from tailwire.wire.entities import BaseMessage

log = logging.getLogger("tailwire")

T = TypeVar("T")
Fetch = Callable[[Mapping[str, Any]], Awaitable[list[Any]]]
CATCH_UP_RETRY = RetryPolicy(first=0.5, longest=10.0)
MAX_WAIT_SECONDS = 60.0
NO_MARK = "none"
"""Asks for the server's mark where one has none yet."""


class GivenUp(Exception):
    """History is not asked for again."""


async def wait_for_room(queue: Queue) -> None:
    """Wait until the queue has room: what the app has not been given yet is not all kept in memory (K4)."""
    room = queue.room()
    if room is not None:
        await room


async def until_it_comes(
    ask: Callable[[], Awaitable[T]], chance: Callable[[], float], failed: Callable[[], None] = lambda: None
) -> T:
    """Ask until there is an answer, with growing waits between: nothing live passes before it (K1).

    An unexpected error is logged once with its traceback and retried too; otherwise the app would never catch up.

    Args:
        chance: a random number in [0, 1), for the jitter of the waits.
        failed: called after each try that failed; what it raises ends this.
    """
    waits, unforeseen = Waits(CATCH_UP_RETRY, chance), False
    while True:
        try:
            return await ask()
        except CometChatException as error:
            pause = min(waits.next(error.retry_after), MAX_WAIT_SECONDS)  # live messages are held meanwhile
            log.info("catching up failed, again in %.1f s: %s", pause, error.code)
        except Exception as error:
            pause = waits.next()
            level = logging.INFO if unforeseen else logging.ERROR
            log.log(level, "catching up failed, again in %.1f s: %r", pause, error, exc_info=not unforeseen)
            unforeseen = True
        failed()
        await asyncio.sleep(pause)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message of which nothing but its id can be read. The app is told of a gap in its place.

    Attributes:
        raw: as of a message.
    """

    id: int
    updated_at: int = 0
    raw: Mapping[str, Any] = field(default_factory=dict)


def read(value: Any) -> BaseMessage | Unreadable | None:
    """Return a message as the server sent it. One that cannot be read is logged, and does not end what reads it.

    Returns:
        None for one that has not even an id.
    """
    try:
        return message_from_wire(value)
    except UNREADABLE as error:
        number = id_of(value)
        log.warning("message %d cannot be read and is passed over: %s", number, error)
        return Unreadable(number) if number else None


def known(listed: list[Any]) -> list[tuple[int, BaseMessage | Unreadable]]:
    """Return id and message of all that have an id, in their order."""
    return [(message.id, message) for message in map(read, listed) if message is not None]


def id_of(value: Any) -> int:
    """Return a message's id, also of one that cannot be read, so that reading goes on behind it; 0 without one."""
    try:
        number = int(value["id"])
    except UNREADABLE:
        return 0
    return number if 0 < number <= MAX_ID else 0


def known_id(details: Any, below: int) -> int:
    """Return up to which id the server recognises a position, from the details of its refusal; 0 when it says none."""
    known = details.get("known") if isinstance(details, dict) else None
    return known if isinstance(known, int) and 0 < known < below else 0


def mark_of(listed: list[Any], socket: str) -> str:
    """Return the mark of the server's start that came with a list; "" without one.

    Args:
        socket: that of the start to which the open socket belongs; "" when there is none.

    Raises:
        CometChatException: when the server was started again since the socket was opened: the socket is dead, and the
            next connection reads on.
    """
    mark = answers.mark_of(listed)
    if mark and socket and mark != socket:
        raise failure("ERR_BAD_ERROR_RESPONSE", "The server was started again while history was read.")
    return mark
