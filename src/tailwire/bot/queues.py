"""Queues of events: different conversations are handled concurrently, the events of each one in order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from tailwire.sdk.listeners.events import Event
from tailwire.sdk.listeners.registry import AcknowledgedStream, PutOff

log = logging.getLogger("tailwire.bot")

Work = Sequence[Callable[[], Awaitable[object]]]
"""The functions to call for one event, in this order."""
SHUTDOWN_SECONDS = 10.0
"""How long running handlers may take to finish when the bot shuts down."""
MAX_QUEUED_EVENTS = 10_000
"""The maximum number of events that wait in all queues together.

A conversation may add events while its own queue holds less than half of the number that is still free.
"""
MIN_QUEUED_PER_CONVERSATION = 10
"""The number of events that may wait in the queue of any conversation, however many wait in others."""


class ConversationQueues:
    """The events that a bot has received and not acknowledged yet, in a queue for each conversation.

    Args:
        events: the stream that the events are from. They are acknowledged to it when they have been handled.
        concurrency: the maximum number of conversations that are handled at the same time.

    Attributes:
        interrupted: whether the bot has shut down. Events whose handlers are still running then are not acknowledged,
            so that they are handled again at the next start.
    """

    def __init__(self, events: AcknowledgedStream, concurrency: int) -> None:
        self.interrupted: bool = False
        self._events = events
        self._slots = asyncio.Semaphore(concurrency)
        self._queues: dict[str, deque[tuple[Event | PutOff, Work]]] = {}
        self._queued = 0
        self._full: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = False

    def put(self, event: Event, work: Work) -> None:
        """Add an event to the queue of its conversation, and schedule its handling.

        If there is nothing to do, or the queue is full, the event is acknowledged immediately and not handled. The log
        warns of a full queue.

        Args:
            work: the functions to call.
        """
        key = _conversation_of(event)
        waiting = len(self._queues.get(key, ()))
        if work and waiting >= max(MIN_QUEUED_PER_CONVERSATION, (MAX_QUEUED_EVENTS - self._queued) // 2):
            if key not in self._full:
                log.warning("too many messages are waiting in conversation %s: further ones are not handled", key)
            self._full.add(key)
            work = ()
        if not work:
            self._events.done(event)
            return
        if key not in self._queues:
            self._queues[key] = deque()
            task = asyncio.create_task(self._run(key), name="tailwire bot conversation")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._queues[key].append((self._events.later(event), work))
        self._queued += 1

    async def _run(self, key: str) -> None:
        queue = self._queues[key]
        try:
            while queue:
                async with self._slots:
                    if self._ending:
                        return
                    place, work = queue.popleft()
                    self._queued -= 1
                    for do in work:
                        await do()
                    if not self.interrupted:
                        self._events.done(place)
        finally:
            del self._queues[key]
            self._full.discard(key)

    async def finish(self) -> None:
        """Start no more handlers. Wait until the running ones have ended; cancel them after `SHUTDOWN_SECONDS`."""
        self._ending = True
        tasks = set(self._tasks)
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


def _conversation_of(event: Event) -> str:
    about = getattr(event, "message", None) or getattr(event, "event", None)
    return getattr(about, "conversation_id", "") or type(event).__name__
