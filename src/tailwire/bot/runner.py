"""Run handlers: one at a time for each conversation, within their timeout, and to their end at shutdown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tailwire.bot.retrying import WaitTime

log = logging.getLogger("tailwire.bot")

CANCEL_TIMEOUT_SECONDS = 5.0
"""How long a cancelled handler may take to end."""
MIN_WAIT_SECONDS = 0.1


@dataclass(slots=True)
class Job:
    """One handler, to be run for one event.

    Attributes:
        work: runs the handler.
        failed: called with the error when the handler raised or timed out.
        wait_time: the time that it has waited for the server, which does not count towards its timeout.
    """

    work: Callable[[], Awaitable[None]]
    failed: Callable[[Exception], Awaitable[None]] | None = None
    wait_time: WaitTime = field(default_factory=WaitTime)


class Runner:
    """Runs handlers, and keeps track of those that are running.

    Args:
        timeout: seconds that a handler may take; None for no limit.
        on_exit: called when a handler raises `SystemExit` or `KeyboardInterrupt`, to end the program.
    """

    def __init__(self, timeout: float | None, on_exit: Callable[[BaseException], None]) -> None:
        self._timeout = timeout
        self._on_exit = on_exit
        self._running: dict[asyncio.Task[BaseException | None], Coroutine[Any, Any, BaseException | None]] = {}

    async def do(self, job: Job) -> None:
        """Run a handler until it returns, raises or times out."""
        error = await self._run(job.work, job.wait_time)
        if isinstance(error, SystemExit | KeyboardInterrupt):
            self._on_exit(error)
        elif error is not None:
            log.error("a handler failed", exc_info=error)
            if job.failed is not None and isinstance(error, Exception):
                again = await self._run(partial(job.failed, error), job.wait_time)
                if again is not None:
                    log.error("the error handler failed", exc_info=again)

    async def _run(self, work: Callable[[], Awaitable[None]], wait_time: WaitTime) -> BaseException | None:
        async def guarded() -> BaseException | None:
            # Only a cancellation may escape: any other exception would end the conversation's task or the event loop.
            try:
                await work()
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001
                return error
            return None

        running = guarded()
        task = asyncio.create_task(running, name="tailwire bot handler")
        self._running[task] = running
        task.add_done_callback(lambda task: self._running.pop(task, None))
        if not await self._ends_in_time(task, wait_time):
            await self.end([task])
            if not task.done() or task.cancelled() or task.exception() is not None:
                return TimeoutError(f"the handler did not end within {self._timeout:g} seconds")
        return None if task.cancelled() else task.result()

    async def _ends_in_time(self, task: asyncio.Task[Any], wait_time: WaitTime) -> bool:
        now = asyncio.get_running_loop().time
        begun, waited = now(), wait_time.seconds
        left = self._timeout
        while not task.done() and (left is None or left > 0):
            await asyncio.wait([task], timeout=None if left is None else max(left, MIN_WAIT_SECONDS))
            if self._timeout is not None:
                left = self._timeout - (now() - begun) + (wait_time.seconds - waited)
        return task.done()

    async def end(self, tasks: Collection[asyncio.Task[BaseException | None]] | None = None) -> None:
        """Cancel handlers, and close those that ignore the cancellation.

        Args:
            tasks: the handlers' tasks; None for all.
        """
        coroutines = dict(self._running)
        tasks = list(self._running) if tasks is None else tasks
        for task in tasks:
            task.cancel()
        late = (await asyncio.wait(tasks, timeout=CANCEL_TIMEOUT_SECONDS))[1] if tasks else set()
        for task in late:
            log.error("a handler ignored its cancellation, and is ended by force: do not catch CancelledError")
            if task in coroutines:
                with suppress(RuntimeError):  # it ignores GeneratorExit as well
                    coroutines[task].close()
            task.cancel()
        if late:
            for task in (await asyncio.wait(late, timeout=MIN_WAIT_SECONDS))[0]:
                if not task.cancelled():
                    task.exception()  # that its coroutine was closed
