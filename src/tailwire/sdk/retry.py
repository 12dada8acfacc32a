"""When a request is tried again: after which codes, how often, and after which waits.

The connection has its own waits (`connection.backoff`), because its state machine gets the time and random numbers as
inputs.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.exceptions import CometChatException

T = TypeVar("T")

IN_DOUBT_CODES = frozenset({"NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE", "ERR_MISSION_FAILED"})
"""Error codes after which it is not known whether the server carried out the request."""
RETRYABLE_CODES = IN_DOUBT_CODES | {"ERR_TOO_MANY_REQUESTS"}
"""Error codes after which the same request may succeed if it is repeated."""
TOKEN_REJECTED_CODES = frozenset({"AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "ERR_AUTH_TOKEN_EXPIRED"})
"""Error codes with which the server rejects the auth token."""
NOTHING_SENT_CAUSES = frozenset({Cause.CONNECTION_REFUSED, Cause.NAME_LOOKUP_FAILED})
"""The causes of a `CometChatException` after which it is certain that no byte of the request was sent."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponentially growing waits: `first`, `first * factor` and so on, up to `longest`.

    Attributes:
        first: the first wait in seconds.
        longest: the longest wait in seconds.
        factor: the ratio of each wait to the previous one.
    """

    first: float
    longest: float
    factor: float = 2.0


class Waits:
    """The waits between the attempts of one call.

    Each wait is random, between half the wait of the policy and the whole, so that clients that failed together do not
    retry together.

    Args:
        chance: returns a random number in [0, 1).
    """

    def __init__(self, policy: RetryPolicy, chance: Callable[[], float]) -> None:
        self._policy = policy
        self._chance = chance
        self._length = policy.first

    def reset(self) -> None:
        """Begin again with the first wait, because an attempt has succeeded."""
        self._length = self._policy.first

    def next_wait(self, requested: float | None = None) -> float:
        """Return the next wait in seconds, and advance to the one after it.

        Args:
            requested: the minimum that the server requested (`Retry-After`), in seconds; may exceed the longest wait of
                the policy. A random part of a second is added, because other clients got the same request.
        """
        wait = self._length * (0.5 + self._chance() / 2)
        self._length = min(self._length * self._policy.factor, self._policy.longest)
        if not requested:
            return wait
        return max(wait, requested + self._chance() * min(requested, 1.0))


MAX_ATTEMPTS = 4
REQUEST_RETRY = RetryPolicy(first=0.25, longest=5.0, factor=3.0)
"""The waits between the `MAX_ATTEMPTS` attempts of one request, while its caller waits."""


async def repeat(attempt: Callable[[], Awaitable[T]], chance: Callable[[], float], *, safe: bool) -> T:
    """Try a request up to `MAX_ATTEMPTS` times, with the waits of `REQUEST_RETRY`. Return the result of `attempt`.

    The request is not repeated if the server requests a wait that is longer than the longest of `REQUEST_RETRY`.

    Args:
        attempt: sends the request once.
        chance: returns a random number in [0, 1), for the jitter of the waits.
        safe: whether the request may be repeated even if the server may have executed it, after the codes in
            `RETRYABLE_CODES` and `ERR_REQUEST_OUTDATED`. If not, it is repeated only after `ERR_TOO_MANY_REQUESTS` and
            `NOTHING_SENT_CAUSES`.

    Raises:
        CometChatException: the error of the last attempt.
    """
    waits = Waits(REQUEST_RETRY, chance)
    for number in range(1, MAX_ATTEMPTS + 1):
        try:
            return await attempt()
        except CometChatException as e:
            too_long = (e.retry_after or 0) > REQUEST_RETRY.longest
            if number == MAX_ATTEMPTS or too_long or not _may_repeat(e, safe=safe):
                raise
            await asyncio.sleep(waits.next_wait(e.retry_after))
    raise AssertionError("the loop returns or raises")


def numbered(attempt: Callable[[str], Awaitable[T]], call: str) -> Callable[[], Awaitable[T]]:
    """Return a function that sends a request with the next request number: `CALL.1`, then `CALL.2` and so on.

    Args:
        attempt: sends the request once, with a request number; "" for none.
        call: what is unique for this call; "" if the request gets no number (see `is_numbered`).
    """
    attempts = count(1)
    return lambda: attempt(f"{call}.{next(attempts)}" if call else "")


def _may_repeat(error: CometChatException, *, safe: bool) -> bool:
    if safe:
        return error.code in RETRYABLE_CODES or error.code == "ERR_REQUEST_OUTDATED"  # a proxy may have repeated it
    return error.code == "ERR_TOO_MANY_REQUESTS" or error.cause in NOTHING_SENT_CAUSES


_IDEMPOTENT = re.compile(
    "PUT (/me|/users/[^/]+|/messages/[^/]+|/groups/[^/]+|.*/conversation)"
    "|DELETE (.*/blockedusers|.*/conversation/(pin|read))"
    "|POST (.*/blockedusers|/files/upload-url|.*/conversation/(pin|read|delivered))"
    "|(POST|DELETE) /messages/[^/]+/(reactions/[^/]+|pin|save|thread/subscription)"
    "|PATCH /messages/[^/]+/interacted"
)


_NOT_NUMBERED = re.compile("POST (/messages|/files/upload-url|.*/conversation/delivered)")


def is_numbered(method: str, path: str) -> bool:
    """Return whether a request gets a request number, so that it changes nothing if a proxy delivers it late or again.

    The others need none: a GET changes nothing, messages are recognised by their `muid`, a repeated delivery receipt
    changes nothing, and an unused upload form does no harm.
    """
    return method != "GET" and _NOT_NUMBERED.fullmatch(f"{method} {path}") is None


def is_safe(method: str, path: str) -> bool:
    """Return whether a request may be repeated even if the server may have executed it: a GET, or an idempotent one."""
    return method == "GET" or _IDEMPOTENT.fullmatch(f"{method} {path}") is not None
