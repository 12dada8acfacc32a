"""Work that becomes due at times, such as the deliveries of a queue: one task while some is due, else one timer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context

from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World

STORE_RETRY_SECONDS = 5
MIN_WAIT_SECONDS = 1.0


class DueWork:
    """Does what is due, and wakes up for what becomes due later.

    Args:
        name: the name of the task.
        do_due: does what is due now; returns whether more may be due.
        next_due: returns when the next work is due, in seconds since 1970; None if there is none.
        is_mine: returns whether this process does the work.

    Attributes:
        closed: whether `close` was called: nothing more is begun.
    """

    def __init__(
        self,
        name: str,
        world: World,
        do_due: Callable[[], Awaitable[bool]],
        next_due: Callable[[], Awaitable[int | None]],
        is_mine: Callable[[], bool],
    ) -> None:
        self._name = name
        self._world = world
        self._do_due = do_due
        self._next_due = next_due
        self._is_mine = is_mine
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._woken = False
        self.closed = False

    @property
    def may_continue(self) -> bool:
        """Whether further work may begin."""
        return not self.closed and self._is_mine()

    @property
    def idle(self) -> bool:
        """Whether nothing is being done or scheduled."""
        return self._task is None and self._timer is None

    def wake(self) -> None:
        """Check whether work is due."""
        self._woken = True
        if self._task is None and self.may_continue:
            self._cancel_timer()
            # Not in the name of the request that wakes it up, if one does: its reads would wait for that user's turn.
            self._task = self._loop.create_task(self._run(), name=self._name, context=Context())

    async def _run(self) -> None:
        try:
            while self.may_continue:
                self._woken = False
                if await self._do_due() or self._woken or not self.may_continue:
                    continue
                due = await self._next_due()
                if not self._woken:  # no wake-up has arrived, and none can before `finally`
                    self._sleep_until(due)
                    break
        except Refused:  # the store cannot write, and logs that; what was done is repeated
            self._sleep_until(self._world.seconds() + STORE_RETRY_SECONDS)
        finally:
            self._task = None

    def _sleep_until(self, due: int | None) -> None:
        if due is not None and self._timer is None and not self.closed:
            wait = max(MIN_WAIT_SECONDS, float(due - self._world.seconds()))
            self._timer = self._loop.call_later(wait, self._on_due)

    def _on_due(self) -> None:
        self._timer = None
        self.wake()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def close(self, *, cancel: bool, patience: float = 0.0) -> None:
        """Begin nothing more, and wait until nothing is being done.

        Args:
            cancel: whether to cancel what is being done.
            patience: seconds to wait before that.
        """
        self.closed = True
        self._cancel_timer()
        if self._task is not None:
            task = self._task
            if cancel:
                if patience:
                    await asyncio.wait([task], timeout=patience)
                task.cancel()
            await asyncio.wait([task])
