"""Who works on what: the conversations side by side, each in its order, and the end of it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tailwire.bot.runner import Job, Runner
from tailwire.bot.stream import Draft
from tailwire.sdk.listeners.events import Event, MessageReceived
from tailwire.sdk.listeners.registry import AcknowledgedStream, PutOff

log = logging.getLogger("tailwire.bot")

GRACE = 10.0
"""Seconds that handlers have to finish when the bot ends."""
MAX_WAITING = 900
"""Events that are worked on or wait, fewer than a stream holds; of messages beyond that only the ids are kept."""
MAX_OF_ONE = 100
"""Of these, events of one conversation."""
MAX_LATER = 30_000
"""Messages of which the ids are kept. One conversation may have half of what is left, and 10 in any case."""
LEAST_LATER = 10


@dataclass(slots=True)
class _Lane:
    here: deque[tuple[Event, list[Job]]] = field(default_factory=deque)
    later: deque[tuple[int, Event | PutOff]] = field(default_factory=deque)
    too_many: bool = False


class Scheduler:
    """The work of one run of a bot.

    Args:
        events: whose events are done here.
        concurrency: how many conversations are worked on at once.
        limit: seconds that a handler may take; None for no limit.
        jobs_of: what is to be done with an event.
        fetch: gives a message by its id again, as an event; None when it is no more.

    Attributes:
        drafts: that are written now, by id.
        leaving: what a handler raised to end the program; then the events end.
        cut: the bot has ended: what still runs is for the next start.
    """

    def __init__(
        self,
        events: AcknowledgedStream,
        concurrency: int,
        limit: float | None,
        jobs_of: Callable[[Event], list[Job]],
        fetch: Callable[[int], Awaitable[Event | None]],
    ) -> None:
        self.drafts: dict[str, Draft] = {}
        self.leaving: BaseException | None = None
        self.cut = False
        self._events = events
        self._slots = asyncio.Semaphore(concurrency)
        self._jobs_of, self._fetch = jobs_of, fetch
        self._lanes: dict[str, _Lane] = {}
        self._here = self._later = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner = Runner(limit, self._leave)
        self._ending = False

    def put(self, event: Event) -> None:
        """Add an event. One that there is no room for does not hold up others: it is put off, or left out."""
        jobs = self._jobs_of(event)
        if not jobs:
            self._events.done(event)
            return
        key = _conversation(event)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
            task = asyncio.create_task(self._run_lane(key, lane), name="tailwire bot conversation")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not lane.later and len(lane.here) < MAX_OF_ONE and self._here < MAX_WAITING:
            lane.here.append((event, jobs))
            self._here += 1
        elif isinstance(event, MessageReceived) and self._may_wait(lane):
            lane.later.append((event.message.id, self._events.later(event)))
            self._later += 1
        else:
            if not lane.too_many:
                lane.too_many = True
                log.warning("too much waits in conversation %s: what comes there now is not handled", key)
            self._events.done(event)

    def _may_wait(self, lane: _Lane) -> bool:
        return len(lane.later) < max(LEAST_LATER, (MAX_LATER - self._later) // 2)

    async def _run_lane(self, key: str, lane: _Lane) -> None:
        try:
            while lane.here or lane.later:
                async with self._slots:
                    if self._ending:
                        return
                    await self._do_next(lane)
        finally:
            del self._lanes[key]

    async def _do_next(self, lane: _Lane) -> None:
        if lane.here:
            event, jobs = lane.here.popleft()
            await self._do(event, jobs)
            self._here -= 1
        else:
            number, name = lane.later.popleft()
            self._later -= 1
            lane.too_many = False
            await self._do(name, await self._jobs_again(number))

    async def _do(self, name: Event | PutOff, jobs: list[Job]) -> None:
        for job in jobs:
            await self._runner.do(job)
        if not self.cut:
            self._events.done(name)

    async def _jobs_again(self, number: int) -> list[Job]:
        try:
            event = await self._fetch(number)
        except Exception:
            log.exception("message %d cannot be read, and is not handled", number)
            return []
        return self._jobs_of(event) if event is not None else []

    def _leave(self, error: BaseException) -> None:
        self.leaving = error
        self._events.close()

    async def finish(self) -> None:
        """Begin nothing more; wait for what is under way, and cut short what takes too long."""
        self._ending = True
        tasks = set(self._tasks)
        late: set[asyncio.Task[None]] = set()
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=GRACE)
        finally:
            self.cut = True
            late = {task for task in tasks if not task.done()}
            for task in late:
                task.cancel()
            if late:
                log.warning("%d handlers were cut short; their messages are handled at the next start", len(late))
                await asyncio.wait(late)  # they wait for their handler, and let go of it at once
            await self._runner.end()


def _conversation(event: Event) -> str:
    about = getattr(event, "message", None) or getattr(event, "event", None)
    return getattr(about, "conversation_id", "") or type(event).__name__
