"""Send messages in order, and again if needed (K3).

The sends of one conversation keep their order. A message whose answer was lost is sent again under the same muid (the
client's own id of a message), so that the server stores it once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any

from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.io.progress_timeout import ProgressTimeout
from tailwire.sdk.retry import IN_DOUBT_CODES, repeat

STORED_UNKNOWN_TEXT = "It is not known whether the message was stored; send it again under the same muid. Last error:"


class Sending:
    """Sends the messages of a conversation one after the other. Conversations do not wait for each other.

    Args:
        chance: returns a random number in [0, 1), for the jitter of the waits.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._last: dict[str, asyncio.Future[bool]] = {}  # by conversation; the result: whether the send succeeded

    async def send(
        self, conversation: str, attempt: Callable[[], Awaitable[Any]], time_limit: ProgressTimeout | None = None
    ) -> Any:
        """Send a message once all earlier sends of the same conversation have ended. Return the result of `attempt`.

        Args:
            conversation: identifies the conversation.
            attempt: sends the message once; called again when its answer was lost or the server refused for the moment,
                so it must use the same muid each time.
            time_limit: the time limit for all attempts, and for the wait before the first; None sets none.

        Raises:
            CometChatException: the error of the last attempt; `NO_INTERNET_CONNECTION` when the limit is reached, or
                when the last attempt was refused but an earlier one may have stored the message.
        """
        previous = self._last.get(conversation)
        own = self._last[conversation] = asyncio.get_running_loop().create_future()
        sent = False
        try:
            async with time_limit or nullcontext():
                if previous is not None and await asyncio.shield(previous) and time_limit is not None:
                    time_limit.record_progress()  # the previous send got through: queueing does not count as a stall
                stored = await self._attempt_until_stored(attempt)
            sent = True
            return stored
        finally:
            own.add_done_callback(lambda _: self._forget(conversation, own))
            if previous is None or previous.done():
                own.set_result(sent)
            else:
                # Cancelled while it waited for its turn: the next send waits for the previous one instead.
                previous.add_done_callback(lambda _: own.set_result(False))

    def _forget(self, conversation: str, ended: asyncio.Future[bool]) -> None:
        if self._last.get(conversation) is ended:
            del self._last[conversation]

    async def _attempt_until_stored(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        in_doubt = False

        async def attempt_and_record() -> Any:
            nonlocal in_doubt
            try:
                return await attempt()
            except CometChatException as e:
                in_doubt = in_doubt or e.code in IN_DOUBT_CODES
                raise

        try:
            return await repeat(attempt_and_record, self._chance, safe=True)
        except CometChatException as e:
            # A later refusal says nothing about an earlier attempt whose answer was lost.
            if in_doubt and e.code not in IN_DOUBT_CODES:
                raise failure("NO_INTERNET_CONNECTION", f"{STORED_UNKNOWN_TEXT} {e}") from e
            raise
