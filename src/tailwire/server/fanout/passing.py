"""Waits until this process has delivered everything up to an id of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tailwire.server.ports.refusal import Refused

WAIT_SECONDS = 5.0


class IdWaiters:
    """The callers that wait until everything up to an id has been delivered.

    Args:
        end: returns the id up to which everything has been delivered.
        want: called with the committed id when a caller begins to wait for it, so that the log is read up to it.
    """

    def __init__(self, end: Callable[[], int], want: Callable[[int], None]) -> None:
        self._end = end
        self._want = want
        self._waiting: dict[asyncio.Future[None], int] = {}

    async def wait_for(self, number: int) -> None:
        """Wait until everything up to the committed id `number` has been delivered to the sockets of this process.

        Raises:
            Refused: ERR_UNAVAILABLE, the store could not be read within `WAIT_SECONDS`.
        """
        if number <= self._end():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = number
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                self._want(number)
                await future
        except TimeoutError as e:
            raise Refused("ERR_UNAVAILABLE", "Messages of other servers cannot be read; try again.") from e
        finally:
            del self._waiting[future]

    def wake_passed(self) -> None:
        """Let those callers of `wait_for` continue whose id is not above `end()`."""
        end = self._end()
        for future, number in self._waiting.items():
            if number <= end and not future.done():
                future.set_result(None)
