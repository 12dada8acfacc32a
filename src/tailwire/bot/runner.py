"""Runs one handler at a time for a conversation: within its time, and to its end when the bot ends."""

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

PATIENCE = 5.0
"""Seconds that a handler has to end after it was cancelled."""
SHORTEST_LOOK = 0.1


@dataclass(slots=True)
class Job:
    """What one handler does with an event.

    Attributes:
        work: the handler.
        failed: told when it failed, or took too long.
        waits: on the server, which do not count as its time.
    """

    work: Callable[[], Awaitable[None]]
    failed: Callable[[Exception], Awaitable[None]] | None = None
    waits: WaitTime = field(default_factory=WaitTime)


class Runner:
    """The handlers that run.

    Args:
        limit: seconds that one may take; None for no limit.
        leave: told when a handler wants the program to end: `SystemExit`, `KeyboardInterrupt`.
    """

    def __init__(self, limit: float | None, leave: Callable[[BaseException], None]) -> None:
        self._limit = limit
        self._leave = leave
        self._running: dict[asyncio.Task[BaseException | None], Coroutine[Any, Any, BaseException | None]] = {}

    async def do(self, job: Job) -> None:
        """Run a handler to its end, whatever that is."""
        error = await self._run(job.work, job.waits)
        if isinstance(error, SystemExit | KeyboardInterrupt):
            self._leave(error)
        elif error is not None:
            log.error("a handler failed", exc_info=error)
            if job.failed is not None and isinstance(error, Exception):
                again = await self._run(partial(job.failed, error), job.waits)
                if again is not None:
                    log.error("the handler of errors failed", exc_info=again)

    async def _run(self, work: Callable[[], Awaitable[None]], waits: WaitTime) -> BaseException | None:
        async def guarded() -> BaseException | None:
            # Nothing but a cancellation leaves the task: it would end the lane, or the event loop.
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
        if not await self._within_limit(task, waits):
            await self.end([task])
            if not task.done() or task.cancelled() or task.exception() is not None:
                return TimeoutError(f"the handler did not end within {self._limit:g} seconds")
        return None if task.cancelled() else task.result()

    async def _within_limit(self, task: asyncio.Task[Any], waits: WaitTime) -> bool:
        now = asyncio.get_running_loop().time
        begun, waited = now(), waits.seconds
        left = self._limit
        while not task.done() and (left is None or left > 0):
            await asyncio.wait([task], timeout=None if left is None else max(left, SHORTEST_LOOK))
            if self._limit is not None:
                left = self._limit - (now() - begun) + (waits.seconds - waited)
        return task.done()

    async def end(self, tasks: Collection[asyncio.Task[BaseException | None]] | None = None) -> None:
        """Cancel handlers, and end by force those that go on.

        Args:
            tasks: of them; None for all.
        """
        coroutines = dict(self._running)
        tasks = list(self._running) if tasks is None else tasks
        for task in tasks:
            task.cancel()
        late = (await asyncio.wait(tasks, timeout=PATIENCE))[1] if tasks else set()
        for task in late:
            log.error("a handler went on after it was cancelled, and is ended by force: let CancelledError through")
            if task in coroutines:
                with suppress(RuntimeError):  # it ignores that, too
                    coroutines[task].close()
            task.cancel()
        if late:
            for task in (await asyncio.wait(late, timeout=SHORTEST_LOOK))[0]:
                if not task.cancelled():
                    task.exception()  # that its coroutine was closed
