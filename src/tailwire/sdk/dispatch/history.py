"""Fetch history with retries, and decode its messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tailwire.sdk.dispatch.queue import EventQueue
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.io import answers
from tailwire.sdk.retry import RetryPolicy, Waits
from tailwire.wire.codec import DECODING_ERRORS, MAX_ID, message_from_wire
from tailwire.wire.entities import BaseMessage

log = logging.getLogger("tailwire")

T = TypeVar("T")
Fetch = Callable[[Mapping[str, Any]], Awaitable[list[Any]]]
CATCH_UP_RETRY = RetryPolicy(first=0.5, longest=10.0)
MAX_WAIT_SECONDS = 60.0
"""Maximum Retry-After that is obeyed: live messages are held meanwhile."""
NO_MARK = "none"
"""Value of the parameters `mark` and `changes` that requests the server's mark, or newest change, if none is known."""


class Abandoned(Exception):
    """Raised to stop repeating a request for history."""


async def wait_for_capacity(queue: EventQueue) -> None:
    """Wait until the queue has capacity, so that missed messages do not pile up in memory (K4)."""
    capacity = queue.capacity()
    if capacity is not None:
        await capacity


async def retry_until_answered(
    ask: Callable[[], Awaitable[T]], chance: Callable[[], float], on_failure: Callable[[], None] = lambda: None
) -> T:
    """Repeat a request until it succeeds, with growing waits (K1).

    An unexpected error is retried too, else the app would never catch up; it is logged once with its traceback.

    Args:
        chance: returns a random number in [0, 1), for the jitter of the waits.
        on_failure: called after each failure, before the wait; raises `Abandoned` to stop.
    """
    waits, unforeseen = Waits(CATCH_UP_RETRY, chance), False
    while True:
        try:
            return await ask()
        except CometChatException as error:
            pause = min(waits.next_wait(error.retry_after), MAX_WAIT_SECONDS)
            log.info("catching up failed; retrying in %.1f s: %s", pause, error.code)
        except Exception as error:
            pause = waits.next_wait()
            level = logging.INFO if unforeseen else logging.ERROR
            log.log(level, "catching up failed; retrying in %.1f s: %r", pause, error, exc_info=not unforeseen)
            unforeseen = True
        on_failure()
        await asyncio.sleep(pause)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that cannot be decoded except for its id. The app gets a gap in its place.

    Attributes:
        raw: empty; a message has its JSON here.
    """

    id: int
    updated_at: int = 0
    raw: Mapping[str, Any] = field(default_factory=dict)


def decode_message(value: Any) -> BaseMessage | Unreadable | None:
    """Decode a message. One that cannot be read is logged, and returned as `Unreadable`.

    Returns:
        None if even its id cannot be read.
    """
    try:
        return message_from_wire(value)
    except DECODING_ERRORS as error:
        number = id_of(value)
        log.warning("message %d cannot be read and is skipped: %s", number, error)
        return Unreadable(number) if number else None


def messages_with_ids(listed: list[Any]) -> list[tuple[int, BaseMessage | Unreadable]]:
    """Return the id and the decoded message of all messages that have an id, in order."""
    return [(message.id, message) for message in map(decode_message, listed) if message is not None]


def id_of(value: Any) -> int:
    """Return the id of a message, even of an unreadable one, so that reading continues after it; 0 without one."""
    try:
        number = int(value["id"])
    except DECODING_ERRORS:
        return 0
    return number if 0 < number <= MAX_ID else 0


def known_id(details: Any, below: int) -> int:
    """Return the id up to which the server recognises a position, from the details of its refusal; 0 without one.

    Args:
        below: the id of the position; an id that is not lower does not count.
    """
    known = details.get("known") if isinstance(details, dict) else None
    return known if isinstance(known, int) and 0 < known < below else 0


def mark_of(listed: list[Any], socket_mark: str) -> str:
    """Return the mark of the server's start that came with a list; "" without one.

    Args:
        socket_mark: the mark of the open socket; "" without one.

    Raises:
        CometChatException: `ERR_BAD_ERROR_RESPONSE` if the server was restarted since the socket was opened: the socket
            is dead, and the next connection continues.
    """
    mark = answers.mark_of(listed)
    if mark and socket_mark and mark != socket_mark:
        raise failure("ERR_BAD_ERROR_RESPONSE", "The server was restarted while history was read.")
    return mark
