"""Who may read next. One read of a user is under way at a time; of those who wait, whoever has used least is next."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable

from tailwire.server.ports.refusal import Refused

REMEMBERED = 60.0  # seconds after which what somebody used is forgotten
MAX_REMEMBERED = 10_000
COME_BACK = 1.0

_OWN = "You have {} lists under way and waiting: wait for the answers to some of them, then ask again."
_ALL = "Too many lists are being read. Nothing was changed: try again after Retry-After."


class Turns:
    """Hands out a number of turns, each to a user who has none.

    Args:
        at_once: turns that are taken at the same time.
        most_of_one: reads of one user that may wait.
        most: reads of all together that may wait.
        clock: seconds, monotonic.
    """

    def __init__(self, at_once: int, most_of_one: int, most: int, clock: Callable[[], float]) -> None:
        self._free = at_once
        self._most_of_one = most_of_one
        self._most = most
        self._clock = clock
        self._reading: set[str] = set()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._count = 0
        # Users who wait and do not read: what each has used, when it came, who.
        self._next: list[tuple[float, int, str]] = []
        self._numbers = 0
        self._used: dict[str, tuple[float, float]] = {}

    async def take(self, who: str) -> None:
        """Wait for a turn. Whoever took one gives it back with `give`.

        Raises:
            Refused: ERR_TOO_MANY_REQUESTS, when too many of this user wait; ERR_UNAVAILABLE, when too many of all do.
        """
        if self._free and who not in self._reading and not self._next:
            self._begin(who)
            return
        mine = self._waiting.setdefault(who, deque())
        if len(mine) >= self._most_of_one:
            raise Refused("ERR_TOO_MANY_REQUESTS", _OWN.format(len(mine) + 1), retry_after=COME_BACK)
        if self._count >= self._most:
            if not mine:
                del self._waiting[who]
            raise Refused("ERR_UNAVAILABLE", _ALL, retry_after=COME_BACK)
        turn = asyncio.get_running_loop().create_future()
        mine.append(turn)
        self._count += 1
        if len(mine) == 1 and who not in self._reading:
            self._enter(who)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(who, 0.0)  # it came at the same moment
            else:
                self._leave(who, turn)
            raise

    def give(self, who: str, seconds: float, *, passed_on: bool = False) -> None:
        """Give a turn back.

        Args:
            seconds: how long it was used.
            passed_on: it was passed on before.
        """
        self._free += not passed_on
        self._reading.discard(who)
        now = self._clock()
        self._used[who] = (self._used_by(who, now) + seconds, now)
        if len(self._used) > MAX_REMEMBERED:
            self._used.clear()
        if self._waiting.get(who):
            self._enter(who)
        self._call()

    def pass_on(self) -> None:
        """Let another read while this one goes on."""
        self._free += 1
        self._call()

    def _call(self) -> None:
        while self._free and self._next:
            _, _, chosen = heapq.heappop(self._next)
            turns = self._waiting.get(chosen)
            if not turns:
                continue  # they went away meanwhile
            turn = turns.popleft()
            self._count -= 1
            if not turns:
                del self._waiting[chosen]
            if turn.done():  # whoever waited for it was cancelled in this moment
                if turns:
                    self._enter(chosen)
                continue
            self._begin(chosen)
            turn.set_result(None)

    def _begin(self, who: str) -> None:
        self._free -= 1
        self._reading.add(who)

    def _enter(self, who: str) -> None:
        self._numbers += 1
        heapq.heappush(self._next, (self._used_by(who, self._clock()), self._numbers, who))

    def _leave(self, who: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(who)
        if turns is None or turn not in turns:
            return  # it was called while it was cancelled, and passed over
        turns.remove(turn)
        self._count -= 1
        if not turns:
            del self._waiting[who]
            self._next = [entry for entry in self._next if entry[2] != who]
            heapq.heapify(self._next)

    def _used_by(self, who: str, now: float) -> float:
        seconds, at = self._used.get(who, (0.0, now))
        return seconds * max(0.0, 1.0 - (now - at) / REMEMBERED)
