"""The timeout of a call, extended while bytes move.

While bytes move, the network works, however slow it is. A call fails after some time without any bytes on the client's
connections, after a longer time without bytes of its own, or when its total time has passed, if it has one.
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

STALLED_SECONDS = 15.0
"""Seconds without a byte on any connection of the client after which a call fails."""
OWN_STALLED_SECONDS = 60.0
"""Seconds without a byte of the call itself after which it fails, even if bytes of other requests move."""
TOTAL_SECONDS = 600.0
"""Seconds after which a call other than an upload fails in any case."""
UPLOAD_STALLED_SECONDS = 30.0
"""`STALLED_SECONDS` of an upload."""
UPLOAD_OWN_STALLED_SECONDS = 120.0
"""`OWN_STALLED_SECONDS` of an upload."""
_TOLERANCE_SECONDS = 0.001


class ProgressTimeout:
    """A timeout for the body of an `async with`, extended while bytes move. Can be entered once.

    Args:
        traffic: records when bytes move on any connection of the client.
        stalled: seconds without a byte on any connection of the client after which the body is cancelled.
        own_stalled: seconds without a call of `record_progress()` after which the body is cancelled.
        total: seconds after which the body is cancelled in any case.
        started: whether the time runs from the entry; if False, it runs from `start()`.

    Attributes:
        traffic: the argument.

    Raises:
        CometChatException: on exit, `NO_INTERNET_CONNECTION` with the `cause` `ATTEMPT_TIMEOUT`, if the limit was
            reached.
    """

    def __init__(
        self,
        world: World,
        traffic: Traffic,
        stalled: float,
        own_stalled: float = math.inf,
        *,
        total: float = math.inf,
        started: bool = True,
    ) -> None:
        self._total = total
        self._deadline = math.inf
        self._world = world
        self.traffic = traffic
        self._stalled = stalled
        self._own_stalled = own_stalled
        self._started = started
        self._moved_at = 0.0
        self._timer: Timer | None = None
        self._scope = asyncio.timeout(None)

    @property
    def expired(self) -> bool:
        """Whether the time limit has been reached."""
        return self._scope.expired()

    def record_progress(self) -> None:
        """Record that bytes of this call move now."""
        self._moved_at = self._world.now()
        self.traffic.record_movement()

    def start(self) -> None:
        """Start the time. Needed only with `started=False`; call it inside the `async with`."""
        self._moved_at = self._world.now()
        self._deadline = self._moved_at + self._total
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
        except TimeoutError:
            waited = self._world.now() - self._moved_at
            details = f"No response for {waited:.0f} s; check the network and the host, then try again."
            raise not_reached(Cause.ATTEMPT_TIMEOUT, details) from None

    def _seconds_left(self) -> float:
        last = max(self._moved_at, self.traffic.moved_at)
        return min(last + self._stalled, self._moved_at + self._own_stalled, self._deadline) - self._world.now()

    def _arm(self) -> None:
        self._timer = self._world.timer(max(0.0, self._seconds_left()), self._check)

    def _check(self) -> None:
        self._timer = None
        if self._seconds_left() > _TOLERANCE_SECONDS:  # something has moved since the timer was set
            self._arm()
        else:
            self._scope.reschedule(asyncio.get_running_loop().time())
