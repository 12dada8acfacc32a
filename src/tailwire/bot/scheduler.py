"""Schedule handlers: conversations concurrently, each of them in order; and shut down."""

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

SHUTDOWN_SECONDS = 10.0
"""How long running handlers may take to finish when the bot shuts down."""
MAX_QUEUED = 900
"""Events that are being handled or queued. It is less than the capacity of an event stream."""
MAX_QUEUED_PER_CONVERSATION = 100
MAX_DEFERRED = 30_000
"""Deferred messages; only their ids are kept. One conversation may use half of the remaining capacity."""
MIN_DEFERRED_PER_CONVERSATION = 10


@dataclass(slots=True)
class _Conversation:
    queued: deque[tuple[Event, list[Job]]] = field(default_factory=deque)
    deferred: deque[tuple[int, Event | PutOff]] = field(default_factory=deque)
    full: bool = False


class Scheduler:
    """The work of one run of a bot.

    Args:
        events: the stream whose events are acknowledged when they are handled.
        concurrency: the maximum number of handlers that run at the same time.
        timeout: seconds that a handler may take; None for no limit.
        jobs_of: returns the handlers to run for an event.
        fetch: fetches a message by its id again, as an event; returns None if it does not exist any more.

    Attributes:
        drafts: the drafts that are being written, by id.
        exit_error: the `SystemExit` or `KeyboardInterrupt` of a handler; the events end then.
        interrupted: the bot has shut down; handlers that are still running are run again at the next start.
    """

    def __init__(
        self,
        events: AcknowledgedStream,
        concurrency: int,
        timeout: float | None,
        jobs_of: Callable[[Event], list[Job]],
        fetch: Callable[[int], Awaitable[Event | None]],
    ) -> None:
        self.drafts: dict[str, Draft] = {}
        self.exit_error: BaseException | None = None
        self.interrupted: bool = False
        self._events = events
        self._slots = asyncio.Semaphore(concurrency)
        self._jobs_of, self._fetch = jobs_of, fetch
        self._conversations: dict[str, _Conversation] = {}
        self._queued = self._deferred = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner = Runner(timeout, self._exit)
        self._ending = False

    def put(self, event: Event) -> None:
        """Add an event. If its queue is full, a message is deferred and read again later; other events are dropped."""
        jobs = self._jobs_of(event)
        if not jobs:
            self._events.done(event)
            return
        key = _conversation_of(event)
        conversation = self._conversations.get(key)
        if conversation is None:
            conversation = self._conversations[key] = _Conversation()
            task = asyncio.create_task(self._run_conversation(key, conversation), name="tailwire bot conversation")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if (
            not conversation.deferred
            and len(conversation.queued) < MAX_QUEUED_PER_CONVERSATION
            and self._queued < MAX_QUEUED
        ):
            conversation.queued.append((event, jobs))
            self._queued += 1
        elif isinstance(event, MessageReceived) and self._may_defer(conversation):
            conversation.deferred.append((event.message.id, self._events.later(event)))
            self._deferred += 1
        else:
            if not conversation.full:
                conversation.full = True
                log.warning("too many messages are waiting in conversation %s: further ones are not handled", key)
            self._events.done(event)

    def _may_defer(self, conversation: _Conversation) -> bool:
        return len(conversation.deferred) < max(MIN_DEFERRED_PER_CONVERSATION, (MAX_DEFERRED - self._deferred) // 2)

    async def _run_conversation(self, key: str, conversation: _Conversation) -> None:
        try:
            while conversation.queued or conversation.deferred:
                async with self._slots:
                    if self._ending:
                        return
                    await self._do_next(conversation)
        finally:
            del self._conversations[key]

    async def _do_next(self, conversation: _Conversation) -> None:
        if conversation.queued:
            event, jobs = conversation.queued.popleft()
            await self._do(event, jobs)
            self._queued -= 1
        else:
            number, handle = conversation.deferred.popleft()
            self._deferred -= 1
            conversation.full = False
            await self._do(handle, await self._fetch_jobs(number))

    async def _do(self, handle: Event | PutOff, jobs: list[Job]) -> None:
        for job in jobs:
            await self._runner.do(job)
        if not self.interrupted:
            self._events.done(handle)

    async def _fetch_jobs(self, number: int) -> list[Job]:
        try:
            event = await self._fetch(number)
        except Exception:
            log.exception("message %d cannot be fetched, and is not handled", number)
            return []
        return self._jobs_of(event) if event is not None else []

    def _exit(self, error: BaseException) -> None:
        self.exit_error = error
        self._events.close()

    async def finish(self) -> None:
        """Start no more handlers. Wait for those that are running, and cancel them after 10 seconds."""
        self._ending = True
        tasks = set(self._tasks)
        late: set[asyncio.Task[None]] = set()
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=SHUTDOWN_SECONDS)
        finally:
            self.interrupted = True
            late = {task for task in tasks if not task.done()}
            for task in late:
                task.cancel()
            if late:
                log.warning("%d handlers were interrupted; their messages are handled at the next start", len(late))
                await asyncio.wait(late)  # they end as soon as their handler is cancelled
            await self._runner.end()


def _conversation_of(event: Event) -> str:
    about = getattr(event, "message", None) or getattr(event, "event", None)
    return getattr(about, "conversation_id", "") or type(event).__name__
