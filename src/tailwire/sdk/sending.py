"""Which calls are repeated, and how; order and retry of sends (K3).

One conversation's sends keep their order; one whose answer was lost is sent again under the same muid, of which the
server stores one. One policy says for all calls how often they are tried, and when.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any, TypeVar

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.io.patience import Patience

ATTEMPTS = 4
FIRST_WAIT = 0.25
MAX_WAIT = 5.0
IN_DOUBT = frozenset({"NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE", "ERR_MISSION_FAILED"})
"""After these it is not known whether the message was stored."""
UNKNOWN = "It is not known whether the message was stored; send it again under the same muid. Last error:"
AGAIN = IN_DOUBT | {"ERR_TOO_MANY_REQUESTS"}
"""After these the same may succeed a little later."""


NOTHING_SENT = frozenset({Cause.CONNECTION_REFUSED, Cause.NAME_LOOKUP_FAILED})
"""With these causes no byte of a request has left this device."""
T = TypeVar("T")


class Sending:
    """Sends one after the other within a conversation; conversations do not wait for each other.

    Args:
        chance: a random number in [0, 1), for the jitter of the waits.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._last: dict[str, asyncio.Future[bool]] = {}  # whether the send has succeeded

    async def send(
        self, conversation: str, attempt: Callable[[], Awaitable[Any]], within: Patience | None = None
    ) -> Any:
        """Send, after those of the same conversation that were begun before.

        Args:
            attempt: one try; called again, under the same muid, when its answer was lost.
            within: the limit for all tries, and for the wait before the first; None sets none.

        Raises:
            CometChatException: of the last try; `NO_INTERNET_CONNECTION` when the limit is reached.
        """
        before = self._last.get(conversation)
        mine = self._last[conversation] = asyncio.get_running_loop().create_future()
        sent = False
        try:
            async with within or nullcontext():
                if before is not None and await asyncio.shield(before) and within is not None:
                    within.moved()  # the previous send got through, so time spent queueing must not count as a stall
                stored = await self._tries(attempt)
            sent = True
            return stored
        finally:
            mine.add_done_callback(lambda _: self._forget(conversation, mine))
            if before is None or before.done():
                mine.set_result(sent)
            else:
                before.add_done_callback(lambda _: mine.set_result(False))  # ended while waiting: its turn passes on

    def _forget(self, conversation: str, ended: asyncio.Future[bool]) -> None:
        if self._last.get(conversation) is ended:
            del self._last[conversation]

    async def _tries(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        in_doubt = False

        async def noted() -> Any:
            nonlocal in_doubt
            try:
                return await attempt()
            except CometChatException as e:
                in_doubt = in_doubt or e.code in IN_DOUBT
                raise

        try:
            return await repeat(noted, self._chance, safe=True)
        except CometChatException as e:
            if in_doubt and e.code not in IN_DOUBT:
                raise failure("NO_INTERNET_CONNECTION", f"{UNKNOWN} {e}") from e
            raise


async def repeat(attempt: Callable[[], Awaitable[T]], chance: Callable[[], float], *, safe: bool) -> T:
    """Try several times, with waits between that grow.

    Args:
        attempt: one try.
        chance: a random number in [0, 1), for the jitter of the waits.
        safe: whether a try whose answer was lost may be repeated. If not, it is repeated only where the server has
            surely done nothing: it was not reached at all, or it refused for now.

    Raises:
        CometChatException: of the last try.
    """
    wait = FIRST_WAIT
    for n in range(1, ATTEMPTS + 1):
        try:
            return await attempt()
        except CometChatException as e:
            if n == ATTEMPTS or (e.retry_after or 0) > MAX_WAIT or not _may_repeat(e, safe=safe):
                raise
            asked = e.retry_after or 0.0
            asked += chance() * min(asked, 1.0)  # those who were told the same do not come back all at once
            await asyncio.sleep(max(asked, wait * (0.5 + chance() / 2)))
            wait *= 3
    raise AssertionError("the loop returns or raises")


def _may_repeat(error: CometChatException, *, safe: bool) -> bool:
    if safe:
        return error.code in AGAIN
    return error.code == "ERR_TOO_MANY_REQUESTS" or error.cause in NOTHING_SENT


_SAME_AGAIN = re.compile(
    "PUT (/me|/blockedusers|/messages/[^/]+|/groups/[^/]+|.*/conversation)"
    "|DELETE (/blockedusers|.*/conversation/(pin|read))"
    "|POST (/files/upload-url|.*/conversation/(pin|read|delivered))"
    "|(POST|DELETE) /messages/[^/]+/(reactions/[^/]+|pin|save|thread/subscription)"
    "|PATCH /messages/[^/]+/interacted"
)


def is_safe(method: str, path: str) -> bool:
    """Whether a request may be repeated when its answer was lost: it changes nothing, or twice comes to the same."""
    return method == "GET" or _SAME_AGAIN.fullmatch(f"{method} {path}") is not None
