"""Calls that wait until the server is reached, and the token is good again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.retry import RETRYABLE, TOKEN_REJECTED

log = logging.getLogger("tailwire.bot")

T = TypeVar("T")
FIRST_WAIT, MAX_WAIT = 1.0, 30.0
LATER = RETRYABLE | TOKEN_REJECTED
"""After these the same may succeed later: the server is not reached, or the bot is about to log in again."""


class Waits:
    """How long a handler has waited for the server: that is not counted as its own time."""

    def __init__(self) -> None:
        self._total = self._since = 0.0
        self._waiting = 0

    @property
    def seconds(self) -> float:
        """All waits so far, the one under way included."""
        return self._total + (asyncio.get_running_loop().time() - self._since if self._waiting else 0.0)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Wait within the block; several at once count once."""
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


async def until_reached(call: Callable[[], Awaitable[T]], waits: Waits, check: Callable[[], None]) -> T:
    """Call until the server answers.

    Args:
        waits: where the waits are counted.
        check: called before each try; what it raises ends this.

    Raises:
        CometChatException: as the server refused it.
    """
    wait = FIRST_WAIT
    with ExitStack() as stack:
        while True:
            check()
            try:
                return await call()
            except CometChatException as e:
                if e.code not in LATER:
                    raise
                if wait == FIRST_WAIT:
                    stack.enter_context(waits.waiting())
                log.warning("the bot waits, the server is not reached or takes no token: %s", e)
                await asyncio.sleep(max(wait, e.retry_after or 0.0))
                wait = min(wait * 2, MAX_WAIT)
