"""`LoopWatch`, for watches that run a task on their client's event loop, and helpers for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, Protocol

from tailwire.adapters.watching import Ability, Watch, WatchedClient, checked_client, has_own_thread
from tailwire.sdk.exceptions import CometChatException

log = logging.getLogger("tailwire")
_tasks: set[asyncio.Task[None]] = set()
"""The running tasks of all watches. An event loop has only weak references to its tasks."""


class LoopClient(WatchedClient, Protocol):
    """A client with an event loop: a `ChatClient`, or a `tailwire.sync.Client`, which any thread may use."""

    def event_loop(self) -> asyncio.AbstractEventLoop:
        """Return the client's event loop."""


def loop_of(chat: LoopClient) -> asyncio.AbstractEventLoop:
    """Return the event loop of a client.

    Raises:
        TypeError: `chat` is not a client.
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
            `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
    """
    loop: asyncio.AbstractEventLoop = checked_client(chat).event_loop()
    return loop


async def wait_closed(chat: Any, timeout: float) -> None:
    """Wait until a client in the background has closed its socket.

    Args:
        chat: the client.
        timeout: seconds after which the call returns even if the socket is open: it may be kept open in the background,
            or the server may not respond.
    """
    try:
        async with asyncio.timeout(timeout):
            if has_own_thread(chat):
                await asyncio.wrap_future(chat.start("wait_disconnected"))
            else:
                await chat.wait_disconnected()
    except CometChatException as e:
        if e.code != "ERR_CLIENT_CLOSED":
            raise
    except TimeoutError:
        log.debug("the socket is still open after %s s; continuing without waiting", timeout)


class LoopWatch(Watch):
    """A watch that runs a task on its client's event loop. It may be closed from any thread.

    Attributes:
        loop: the client's event loop.
        why_not: why nothing can be detected on this computer, for messages; "" if there is no such reason.
    """

    def __init__(self, chat: LoopClient, reason: str, knows: Iterable[Ability] = ()) -> None:
        """Start a watch (for adapters). The arguments are those of `Watch`.

        Raises:
            TypeError: `chat` is not a client.
            CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
                `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
        """
        super().__init__(chat, reason, knows)
        self.loop: asyncio.AbstractEventLoop = loop_of(chat)
        self._loop = self.loop
        self.why_not = ""
        self._settled: Future[None] = Future()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Schedule a coroutine as a task on the client's event loop. Call this once, from any thread.

        The task is cancelled when the watch is closed; if the watch or the loop is closed already, the coroutine never
        runs. An exception of the task is logged. When the task ends, `knows` becomes empty and `settled()` returns.

        Args:
            work: the coroutine, which watches and reports.
        """
        kept: list[asyncio.Task[None]] = []

        def begin() -> None:
            if self._closed:
                work.close()
                return
            task = self.loop.create_task(work, name=f"tailwire watch: {self._reason}")
            _tasks.add(task)
            task.add_done_callback(self._on_ended)
            kept.append(task)

        def end() -> None:
            for task in kept:
                task.cancel()

        self.at_close(lambda: self.call(end))
        if self.loop.is_closed():
            work.close()
        else:
            self.call(begin)

    def _on_ended(self, task: asyncio.Task[None]) -> None:
        _tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the watch of %s has failed", self._reason, exc_info=error)
        self.settle()

    def settle(self, *abilities: Ability) -> None:
        """Set what this watch can detect on this computer (`knows`), and let `settled()` return.

        Args:
            abilities: any of `hidden`, `paused`, `sleep` and `network`; none if nothing can be detected.
        """
        self.set_abilities(*abilities)
        with suppress(InvalidStateError):
            self._settled.set_result(None)

    async def settled(self) -> frozenset[Ability]:
        """Wait until the watch has determined what it can detect on this computer, or is closed. Return `knows`."""
        await asyncio.shield(asyncio.wrap_future(self._settled))
        return self.knows

    def close(self) -> None:
        """Stop watching, withdraw the reports as `Watch.close` does, and let `settled()` return."""
        try:
            super().close()
        finally:
            if not self._settled.done():
                self.settle()
