"""A watch that works on its client's event loop: for what tells by a socket, and for what must wait for the goodbye."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any

from tailwire.adapters.watching import Ability, Informed, Watch
from tailwire.sdk.exceptions import CometChatException

log = logging.getLogger("tailwire")


def loop_of(chat: Informed) -> asyncio.AbstractEventLoop:
    """Return the event loop on which a watch over a client works.

    It is the client's own one: a `tailwire.sync.Client` has it in `event_loop`; a `ChatClient` is on the running one.

    Raises:
        TypeError: `chat` is no client.
        RuntimeError: no event loop runs here, and the client has none of its own.
    """
    if not callable(getattr(chat, "set_app_state", None)):
        raise TypeError(f"{chat!r} is no client: give a ChatClient or a tailwire.sync.Client")
    own = getattr(chat, "event_loop", None)
    if isinstance(own, asyncio.AbstractEventLoop):
        return own
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "no event loop runs here: watch a ChatClient from within its event loop, or use a tailwire.sync.Client"
        ) from None


def is_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether a loop is the one that runs in this thread."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


async def goodbye(chat: Any, at_most: float) -> None:
    """Wait until a client's socket has said goodbye.

    Args:
        chat: the client, in the background.
        at_most: seconds. A socket that is kept in the background, or whose other side is silent, ends the wait so.
    """
    try:
        async with asyncio.timeout(at_most):
            if hasattr(chat, "event_loop"):
                await asyncio.wrap_future(chat.start("wait_disconnected"))
            else:
                await chat.wait_disconnected()
    except CometChatException as e:
        if e.code != "ERR_CLIENT_CLOSED":
            raise
    except TimeoutError:
        log.debug("the socket is still open after %s s; nothing waits for it any longer", at_most)


class LoopWatch(Watch):
    """A watch with work on its client's event loop, which ends with it. It may be closed from any thread."""

    def __init__(self, chat: Informed, reason: str, knows: Iterable[Ability] = ()) -> None:
        """Begin a watch (for adapters).

        Raises:
            TypeError: `chat` is no client.
            RuntimeError: no event loop runs here, and the client has none of its own.
            CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
        """
        super().__init__(chat, reason, knows)
        self.loop = loop_of(chat)
        self._settled: Future[None] = Future()
        chat.set_app_state("foreground", reason=reason)  # nothing new to it, but a client that takes no calls says so

    def call(self, told: Callable[[], object]) -> None:
        """Call a function on the client's event loop: at once when this is its thread, else soon."""
        if is_here(self.loop):
            told()
        elif not self.loop.is_closed():
            self.loop.call_soon_threadsafe(told)

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
        super().close()
        if not self._settled.done():
            self.settle()
