"""A watch that works on its client's event loop: for what tells by a socket, and for what must wait for the goodbye."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, Protocol

from tailwire.adapters.watching import Ability, Informed, Watch, checked_client, has_own_thread
from tailwire.sdk.exceptions import CometChatException

log = logging.getLogger("tailwire")
_tasks: set[asyncio.Task[None]] = set()
"""Of all watches: a loop holds its tasks weakly."""


class Client(Informed, Protocol):
    """A client whose event loop a watch works on: a `ChatClient`, or a `tailwire.sync.Client` from any thread."""

    def event_loop(self) -> asyncio.AbstractEventLoop:
        """Return the client's event loop."""


def loop_of(chat: Client) -> asyncio.AbstractEventLoop:
    """Return the event loop of a client.

    Raises:
        TypeError: `chat` is no client.
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
    """
    loop: asyncio.AbstractEventLoop = checked_client(chat).event_loop()
    return loop


async def goodbye(chat: Any, at_most: float) -> None:
    """Wait until a client's socket has said goodbye.

    Args:
        chat: the client, in the background.
        at_most: seconds. A socket that is kept in the background, or whose other side is silent, ends the wait so.
    """
    try:
        async with asyncio.timeout(at_most):
            if has_own_thread(chat):
                await asyncio.wrap_future(chat.start("wait_disconnected"))
            else:
                await chat.wait_disconnected()
    except CometChatException as e:
        if e.code != "ERR_CLIENT_CLOSED":
            raise
    except TimeoutError:
        log.debug("the socket is still open after %s s; nothing waits for it any longer", at_most)


class LoopWatch(Watch):
    """A watch with work on its client's event loop, which ends with it. It may be closed from any thread.

    Attributes:
        loop: the client's, also where that is another thread's.
        why_not: what is missing, where nothing is known.
    """

    def __init__(self, chat: Client, reason: str, knows: Iterable[Ability] = ()) -> None:
        """Begin a watch (for adapters).

        Raises:
            TypeError: `chat` is no client.
            CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
        """
        super().__init__(chat, reason, knows)
        self._loop = self.loop = loop_of(chat)
        self.why_not = ""
        self._settled: Future[None] = Future()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine on the client's event loop, at the longest until the watch is closed.

        What it does not foresee is logged. When it ends, what is known is settled.
        """
        kept: list[asyncio.Task[None]] = []

        def begin() -> None:
            if self._closed:
                work.close()
                return
            task = self.loop.create_task(work, name=f"tailwire watch: {self._reason}")
            _tasks.add(task)
            task.add_done_callback(self._ended)
            kept.append(task)

        def end() -> None:
            for task in kept:
                task.cancel()

        self.at_close(lambda: self.call(end))
        if self.loop.is_closed():
            work.close()
        else:
            self.call(begin)

    def _ended(self, task: asyncio.Task[None]) -> None:
        _tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the watch over %s has ended", self._reason, exc_info=error)
        self.settle()

    def settle(self, *abilities: Ability) -> None:
        """Say what is known here, now that it is sure."""
        self.learn(*abilities)
        with suppress(InvalidStateError):
            self._settled.set_result(None)

    async def settled(self) -> frozenset[Ability]:
        """Wait until it is sure what can be known here, and return it."""
        await asyncio.shield(asyncio.wrap_future(self._settled))
        return self.knows

    def close(self) -> None:
        """Stop watching, and withdraw what the watch said."""
        try:
            super().close()
        finally:
            if not self._settled.done():
                self.settle()
