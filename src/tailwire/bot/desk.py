"""Who works on what: the conversations side by side, each in its order, and the end of it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tailwire.bot.stream import Draft
from tailwire.sdk.listeners.events import Event
from tailwire.sdk.listeners.registry import AcknowledgedStream

log = logging.getLogger("tailwire.bot")

GRACE = 10.0
"""Seconds that handlers have to finish when the bot ends."""
MOST_WAITING = 1000
"""Events that are worked on or wait; then no more are taken."""


@dataclass(frozen=True, slots=True)
class _Job:
    event: Event
    work: Callable[[], Awaitable[None]]


class Desk:
    """The work of one run of a bot.

    Args:
        events: whose events are done here.
        concurrency: how many conversations are worked on at once.

    Attributes:
        drafts: that are written now, by id.
    """

    def __init__(self, events: AcknowledgedStream, concurrency: int) -> None:
        self.drafts: dict[str, Draft] = {}
        self._events = events
        self._slots = asyncio.Semaphore(concurrency)
        self._room = asyncio.Semaphore(MOST_WAITING)
        self._lanes: dict[str, deque[_Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = self._cut = False

    async def put(self, event: Event, jobs: list[Callable[[], Awaitable[None]]]) -> None:
        """Add what is to be done with an event; waits while a thousand wait."""
        if not jobs:
            self._events.done(event)
            return

        async def work() -> None:
            for job in jobs:
                await self._run(job)

        await self._room.acquire()
        key = _conversation(event)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = deque()
            task = asyncio.create_task(self._run_lane(key, lane), name="tailwire bot conversation")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        lane.append(_Job(event, work))

    async def _run_lane(self, key: str, lane: deque[_Job]) -> None:
        try:
            while lane:
                async with self._slots:
                    if self._ending:
                        return
                    job = lane.popleft()
                    await job.work()
                    self._events.done(job.event)
                    self._room.release()
        finally:
            del self._lanes[key]

    async def _run(self, job: Callable[[], Awaitable[None]]) -> None:
        try:
            await job()
        except asyncio.CancelledError:
            if self._cut:
                raise  # not done: it is for the next start
        except Exception:
            log.exception("a handler failed")
        task = asyncio.current_task()
        while task is not None and task.cancelling():  # a draft was stopped, and that is over
            task.uncancel()

    async def finish(self) -> None:
        """Begin nothing more; wait for what is under way, and cut short what takes too long."""
        self._ending = True
        tasks = set(self._tasks)
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=GRACE)
        finally:
            self._cut = True
            late = [task for task in tasks if not task.done()]
            for task in late:
                task.cancel()
            if late:
                log.warning("%d handlers were cut short; their messages are handled at the next start", len(late))
                await asyncio.wait(late)


def _conversation(event: Event) -> str:
    about = getattr(event, "message", None) or getattr(event, "event", None)
    return getattr(about, "conversation_id", "") or type(event).__name__
