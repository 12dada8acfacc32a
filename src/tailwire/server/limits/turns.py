"""Spreads work that has many short steps, such as uploads, so that it does not delay other work of the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

MIN_PAUSE_SECONDS = 0.001  # event loops have timers of a millisecond
MAX_PAUSE_SECONDS = 0.01


class Turns:
    """Lets callers do one step at a time: one in each iteration of the event loop, with pauses for other work.

    So the uploads of many clients delay others as little as the upload of one. After steps that took a millisecond or
    more together, there is a pause of at most `MAX_PAUSE_SECONDS`. The users whose callers wait pass in turn: one who
    uploads many files at once has the same share as the others.

    Args:
        rest: the length of a pause, as a multiple of the time that the steps before it took.
    """

    def __init__(self, rest: float = 1.0) -> None:
        self._rest = rest
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()  # by user, the next one first
        self._taken = False
        self._began = self._ended = 0.0
        self._used = 0.0  # seconds that were used, and not followed by a pause yet

    async def wait(self, user: str) -> None:
        """Wait until the caller may do its next step. Call it before each step.

        It returns at once if no other caller has done a step in this iteration of the event loop, and no pause is due.

        Args:
            user: the uid of the user for whom the work is done. The callers for one user pass in the order of arrival.
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
        # Until `_end` is called, the event loop does the step and whatever else is due: the longer that takes, the
        # longer is the pause. The clock of an event loop may stand still during an iteration, so it is read at the
        # beginnings of two iterations.
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
