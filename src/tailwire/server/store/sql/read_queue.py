"""The queue of reads that may take long. Each user has at most one in progress, and who has used least time is next."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable

from tailwire.server.ports.refusal import Refused

USE_FORGOTTEN_AFTER_SECONDS = 60.0
MAX_REMEMBERED_USERS = 10_000
RETRY_AFTER_SECONDS = 1.0

_USER_LIMIT_TEXT = "You have {} lists in progress or waiting: wait until some of them are complete, then try again."
_TOTAL_LIMIT_TEXT = "Too many lists are being read. Nothing was changed: try again after Retry-After."


class ReadQueue:
    """Grants turns to read: a bounded number at the same time, and at most one for each user.

    Of the users who wait, the one who has used the least time in the last minute comes next.

    Args:
        turns: how many turns may be granted at the same time.
        max_waiting_of_one: how many reads of one user may wait.
        max_waiting: how many reads may wait in all.
        clock: returns monotonic seconds.
    """

    def __init__(self, turns: int, max_waiting_of_one: int, max_waiting: int, clock: Callable[[], float]) -> None:
        self._free = turns
        self._max_waiting_of_one = max_waiting_of_one
        self._max_waiting = max_waiting
        self._clock = clock
        self._reading: set[str] = set()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._count = 0
        # Users who wait and do not read: seconds used, order of arrival, uid.
        self._next: list[tuple[float, int, str]] = []
        self._numbers = 0
        self._used: dict[str, tuple[float, float]] = {}

    async def take(self, who: str) -> None:
        """Wait for a turn. The caller must return it with `give_back`.

        Args:
            who: the user whose read it is, as in `ports.current_caller`.

        Raises:
            Refused: ERR_TOO_MANY_REQUESTS, too many reads of this user wait; ERR_UNAVAILABLE, too many reads wait in
                all.
        """
        if self._free and who not in self._reading and not self._next:
            self._begin(who)
            return
        mine = self._waiting.setdefault(who, deque())
        if len(mine) >= self._max_waiting_of_one:
            raise Refused(
                "ERR_TOO_MANY_REQUESTS",
                _USER_LIMIT_TEXT.format(len(mine) + 1),
                retry_after=RETRY_AFTER_SECONDS,
                limit="waiting reads",
            )
        if self._count >= self._max_waiting:
            if not mine:
                del self._waiting[who]
            raise Refused("ERR_UNAVAILABLE", _TOTAL_LIMIT_TEXT, retry_after=RETRY_AFTER_SECONDS, limit="waiting reads")
        turn = asyncio.get_running_loop().create_future()
        mine.append(turn)
        self._count += 1
        if len(mine) == 1 and who not in self._reading:
            self._enqueue(who)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(who, 0.0)  # granted at the same moment
            else:
                self._dequeue(who, turn)
            raise

    @property
    def has_waiting(self) -> bool:
        """Whether any read waits for a turn."""
        return self._count > 0

    def give_back(self, who: str, seconds: float, *, passed_on: bool = False) -> None:
        """Give back a turn, so that another read may start.

        Args:
            who: the user who had the turn.
            seconds: how long the turn was used, which counts against the user.
            passed_on: True if `pass_on` was called for this turn: then no other read starts for it.
        """
        self._free += not passed_on
        self._reading.discard(who)
        now = self._clock()
        self._used[who] = (self._used_by(who, now) + seconds, now)
        if len(self._used) > MAX_REMEMBERED_USERS:
            self._used.clear()
        if self._waiting.get(who):
            self._enqueue(who)
        self._grant()

    def pass_on(self) -> None:
        """Let another read start, although one that takes long still has its turn.

        That turn must then be given back with `passed_on=True`.
        """
        self._free += 1
        self._grant()

    def _grant(self) -> None:
        while self._free and self._next:
            _, _, chosen = heapq.heappop(self._next)
            turns = self._waiting.get(chosen)
            if not turns:
                continue  # cancelled meanwhile
            turn = turns.popleft()
            self._count -= 1
            if not turns:
                del self._waiting[chosen]
            if turn.done():  # cancelled at this moment
                if turns:
                    self._enqueue(chosen)
                continue
            self._begin(chosen)
            turn.set_result(None)

    def _begin(self, who: str) -> None:
        self._free -= 1
        self._reading.add(who)

    def _enqueue(self, who: str) -> None:
        self._numbers += 1
        heapq.heappush(self._next, (self._used_by(who, self._clock()), self._numbers, who))

    def _dequeue(self, who: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(who)
        if turns is None or turn not in turns:
            return  # it was cancelled and passed over already
        turns.remove(turn)
        self._count -= 1
        if not turns:
            del self._waiting[who]
            self._next = [entry for entry in self._next if entry[2] != who]
            heapq.heapify(self._next)

    def _used_by(self, who: str, now: float) -> float:
        seconds, at = self._used.get(who, (0.0, now))
        return seconds * max(0.0, 1.0 - (now - at) / USE_FORGOTTEN_AFTER_SECONDS)
