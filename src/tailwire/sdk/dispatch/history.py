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
"""The longest wait before a request is repeated, even after a longer Retry-After: live messages are held meanwhile."""
NO_MARK = "none"
"""Value of the parameters `mark` and `changes` of a client that has none: it requests the server's current ones."""


class Abandoned(Exception):
    """A request for history is no longer repeated, because `on_failure` of `retry_until_answered` raised this."""


async def wait_for_capacity(queue: EventQueue) -> None:
    """Wait until the queue has capacity, so that missed messages do not pile up in memory (K4)."""
    capacity = queue.capacity()
    if capacity is not None:
        await capacity


async def retry_until_answered(
    ask: Callable[[], Awaitable[T]], chance: Callable[[], float], on_failure: Callable[[], None] = lambda: None
) -> T:
    """Repeat a request until it succeeds, with growing waits (K1). Return its result.

    Any exception is logged and leads to a retry, else the app would never catch up; of unexpected ones, the first is
    logged with its traceback.

    Args:
        ask: sends the request.
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
    """A message that cannot be decoded except for its id. The app gets a `HistoryGap` in its place.

    Attributes:
        updated_at, raw: placeholders, because the code that handles a message reads these attributes.
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
    """Return the id and the decoded message of each item that has an id, in the same order; leave out the others."""
    return [(message.id, message) for message in map(decode_message, listed) if message is not None]


def id_of(value: Any) -> int:
    """Return the id of a message that may be otherwise unreadable; 0 if it has no valid id.

    Reading history continues after this id, even if the message cannot be decoded.
    """
    try:
        number = int(value["id"])
    except DECODING_ERRORS:
        return 0
    return number if 0 < number <= MAX_ID else 0


def known_id(details: Any, below: int) -> int:
    """Return the message id up to which a position is valid, which an `ERR_POSITION_UNKNOWN` names; 0 if it does not.

    Args:
        details: the `details` of the exception.
        below: the id of the rejected position; 0 is returned unless the named id is lower.
    """
    known = details.get("known") if isinstance(details, dict) else None
    return known if isinstance(known, int) and 0 < known < below else 0


def checked_mark(listed: list[Any], socket_mark: str) -> str:
    """Return the mark in a response, which identifies the run of the server; "" if there is none.

    Args:
        listed: the list in the response.
        socket_mark: the mark that the server sent when the socket was opened; "" without a socket or mark.

    Raises:
        CometChatException: `ERR_BAD_ERROR_RESPONSE` if the marks differ: the server was restarted since the socket was
            opened, so the socket is dead, and the next connection repeats the catch-up.
    """
    mark = answers.mark_of(listed)
    if mark and socket_mark and mark != socket_mark:
        raise failure("ERR_BAD_ERROR_RESPONSE", "The server was restarted while history was read.")
    return mark
