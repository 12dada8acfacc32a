"""How long a call waits for its server: until nothing has moved for a while.

A line on which bytes move is alive, however slow it is; a call is given up only when the line is still, or when all
that moves for a long time belongs to others.
"""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Self

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.exceptions import not_reached
from tailwire.sdk.io.traffic import Traffic
from tailwire.sdk.io.world import Timer, World

STALLED = 15.0
"""Seconds after which a call ends when nothing has moved on any connection of the client."""
LONGEST = 60.0
"""Seconds after which a call ends when nothing of its own has moved, whatever else has."""
EVER = 600.0
"""Seconds after which a call that is no upload ends in any case: an answer that trickles is none."""
UPLOAD_STALLED = 30.0
UPLOAD_LONGEST = 120.0
_SOON = 0.001


class Patience:
    """Cancels the body of its `async with` when no bytes move any more. It cannot be entered twice.

    Args:
        stalled: seconds without a byte on any connection of the client.
        longest: seconds without a byte of its own.
        ever: seconds after which it ends whatever moves.
        started: False for one that waits for `start()`.

    Attributes:
        traffic: as it was given.

    Raises:
        CometChatException: on the way out, `NO_INTERNET_CONNECTION` with the cause `attempt_timeout`.
    """

    def __init__(
        self,
        world: World,
        traffic: Traffic,
        stalled: float,
        longest: float = math.inf,
        *,
        ever: float = math.inf,
        started: bool = True,
    ) -> None:
        self._ever = ever
        self._end = math.inf
        self._world = world
        self.traffic = traffic
        self._stalled = stalled
        self._longest = longest
        self._started = started
        self._moved_at = 0.0
        self._timer: Timer | None = None
        self._scope = asyncio.timeout(None)

    @property
    def expired(self) -> bool:
        """Whether the limit has been reached."""
        return self._scope.expired()

    def moved(self) -> None:
        """Note that bytes of its own move now."""
        self._moved_at = self._world.now()
        self.traffic.moved()

    def start(self) -> None:
        """Begin to wait."""
        self._moved_at = self._world.now()
        self._end = self._moved_at + self._ever
        self._arm()

    async def __aenter__(self) -> Self:
        await self._scope.__aenter__()
        if self._started:
            self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            await self._scope.__aexit__(kind, error, trace)
        except TimeoutError as e:
            waited = self._world.now() - self._moved_at
            details = f"No answer came for {waited:.0f} s; check the network and the host, then try again."
            raise not_reached(Cause.ATTEMPT_TIMEOUT, details) from e

    def _left(self) -> float:
        last = max(self._moved_at, self.traffic.moved_at)
        return min(last + self._stalled, self._moved_at + self._longest, self._end) - self._world.now()

    def _arm(self) -> None:
        self._timer = self._world.timer(max(0.0, self._left()), self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._left() > _SOON:  # something has moved since the timer was set
            self._arm()
        else:
            self._scope.reschedule(asyncio.get_running_loop().time())
