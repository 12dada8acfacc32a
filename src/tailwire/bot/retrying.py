"""Calls that are retried until the server is reachable and the bot is logged in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.retry import RETRYABLE, TOKEN_REJECTED

log = logging.getLogger("tailwire.bot")

T = TypeVar("T")
FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS = 1.0, 30.0
RETRIED_CODES = RETRYABLE | TOKEN_REJECTED
"""The server is not reachable, or the token was rejected and the bot is about to log in again."""


class WaitTime:
    """Measures how long a handler has waited for the server; that does not count towards its timeout."""

    def __init__(self) -> None:
        self._total = self._since = 0.0
        self._waiting = 0

    @property
    def seconds(self) -> float:
        """The total so far, including a wait in progress."""
        return self._total + (asyncio.get_running_loop().time() - self._since if self._waiting else 0.0)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the duration of the block; overlapping blocks count once."""
        now = asyncio.get_running_loop().time
        if not self._waiting:
            self._since = now()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._total += now() - self._since


async def until_reached(
    call: Callable[[], Awaitable[T]],
    wait_time: WaitTime | None = None,
    check: Callable[[], None] = lambda: None,
    *,
    retried: Collection[str] = RETRIED_CODES,
    max_wait: float = MAX_WAIT_SECONDS,
) -> T:
    """Call a function until the server responds, with exponential back-off.

    Args:
        call: the function.
        wait_time: where the waits are counted.
        check: called before each attempt; an exception that it raises ends the retries.
        retried: the error codes that are retried.
        max_wait: the maximum number of seconds between two attempts.

    Raises:
        CometChatException: the server refused the call.
    """
    wait = FIRST_WAIT_SECONDS
    with ExitStack() as stack:
        while True:
            check()
            try:
                return await call()
            except CometChatException as e:
                if e.code not in retried:
                    raise
                if wait == FIRST_WAIT_SECONDS and wait_time is not None:
                    stack.enter_context(wait_time.waiting())
                log.warning("the server is not reachable or rejects the token; retrying: %s", e)
                await asyncio.sleep(max(wait, e.retry_after or 0.0))
                wait = min(wait * 2, max_wait)
