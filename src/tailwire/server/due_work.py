"""Runs work that becomes due at certain times, such as deliveries of a queue.

There is one task while some work is due, and one timer while the next work is only due later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context

from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.telemetry.log_limit import LogLimit
from tailwire.server.telemetry.logs import log

STORE_RETRY_SECONDS = 5
ERROR_RETRY_SECONDS = 60
MIN_WAIT_SECONDS = 1.0


class DueWork:
    """Does the work that is due, and sets a timer for the next. It starts with the first `wake`.

    Args:
        name: the name of the task.
        world: the clock.
        do_due: does some work that is due; returns True if more may be due now. If it raises `Refused`, because the
            store cannot be written, it is called again after a few seconds; after any other error, which is logged,
            after a minute.
        next_due: returns when the next work is due, in seconds since 1970; None if there is none.
        is_mine: returns whether this process, of several, does the work.

    Attributes:
        closed: whether `close` was called. Then no further work is begun.
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
        self._log_limit = LogLimit()
        self.closed = False

    @property
    def may_continue(self) -> bool:
        """Whether this process may begin further work: it does this work, and `close` was not called."""
        return not self.closed and self._is_mine()

    @property
    def idle(self) -> bool:
        """Whether no task is running and no timer is set."""
        return self._task is None and self._timer is None

    def wake(self) -> None:
        """Look for work that is due, in a task. Call this whenever work was added. Returns at once."""
        self._woken = True
        if self._task is None and self.may_continue:
            self._cancel_timer()
            # In an empty context, so that its reads do not count as those of the user whose request has woken it up.
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
        except Exception:  # noqa: BLE001 - if nothing called it again, its queue would stop
            self._log_error()
            self._sleep_until(self._world.seconds() + ERROR_RETRY_SECONDS)
        finally:
            self._task = None

    def _log_error(self) -> None:
        if self._log_limit.allows(self._loop.time()):
            log.exception("%s failed; it is tried again later", self._name)

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

    async def close(self, should_cancel: Callable[[], bool], *, patience: float = 0.0) -> None:
        """Begin no further work, and wait until the task has ended.

        Args:
            should_cancel: called once `patience` is over; returns True to cancel the task, or False to let it complete
                what it is doing.
            patience: seconds to wait for the task before that.
        """
        self.closed = True
        self._cancel_timer()
        if self._task is not None:
            task = self._task
            if patience:
                await asyncio.wait([task], timeout=patience)
            if should_cancel():
                task.cancel()
            await asyncio.wait([task])
