"""Turns for work that has many pieces, such as uploads."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """Lets one caller pass in each turn of the event loop, in the order of arrival.

    The uploads of many clients then delay others as little as the upload of one.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False

    async def wait(self) -> None:
        """Return at once if nobody has passed in this turn of the event loop, else in a later turn."""
        loop = asyncio.get_running_loop()
        if not self._taken:
            self._taken = True
            loop.call_soon(self._pass_on)
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # the caller was not cancelled
                turn.set_result(None)
                asyncio.get_running_loop().call_soon(self._pass_on)
                return
        self._taken = False
