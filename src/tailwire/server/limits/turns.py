"""Turns for work that has many steps, such as uploads."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

MIN_PAUSE_SECONDS = 0.001  # event loops have timers of a millisecond
MAX_PAUSE_SECONDS = 0.01


class Turns:
    """Lets one caller pass in each turn of the event loop, and leaves half of the time or more to other work.

    The uploads of many clients then delay others as little as the upload of one. After turns that took a millisecond or
    more, there is a pause, so that other work finds the event loop free. Users take turns too: one who uploads much at
    once has the same share as the others.

    Args:
        rest: how long the pause is, as a multiple of the time that the turns took.
    """

    def __init__(self, rest: float = 1.0) -> None:
        self._rest = rest
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()  # by user, the next one first
        self._taken = False
        self._began = self._ended = 0.0
        self._used = 0.0  # seconds that were used, and not followed by a pause yet

    async def wait(self, user: str) -> None:
        """Return at once if no caller has passed in this turn of the event loop and no pause is due, else later.

        Args:
            user: the user for whom the work is done; the callers of one user pass in the order of arrival.
        """
        loop = asyncio.get_running_loop()
        if not self._taken:
            self._taken = True
            now = loop.time()
            self._used = max(0.0, self._used - (now - self._ended) / self._rest)
            if self._used < MIN_PAUSE_SECONDS:
                self._begin(loop)
                return
            self._pause(loop)
        turn = loop.create_future()
        self._waiting.setdefault(user, deque()).append(turn)
        await turn

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        # Until the callback, the event loop does the work that this turn allowed and whatever else is due: the longer
        # that takes, the longer is the pause. The clock of an event loop may stand still in a turn, so it is read at
        # the beginnings of two.
        self._began = loop.time()
        loop.call_soon(self._end)

    def _end(self) -> None:
        loop = asyncio.get_running_loop()
        self._ended = loop.time()
        self._used += self._ended - self._began
        if self._waiting and self._used >= MIN_PAUSE_SECONDS:
            self._pause(loop)
        else:
            self._pass_on()

    def _pause(self, loop: asyncio.AbstractEventLoop) -> None:
        pause, self._used = min(self._rest * self._used, MAX_PAUSE_SECONDS), 0.0
        loop.call_later(pause, self._pass_on)

    def _pass_on(self) -> None:
        while self._waiting:
            user, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[user] = turns  # after the other users
            if not turn.done():  # the caller was not cancelled
                turn.set_result(None)
                self._begin(asyncio.get_running_loop())
                return
        self._ended = asyncio.get_running_loop().time()
        self._taken = False
