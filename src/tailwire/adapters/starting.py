"""How a watch starts, and how its words reach the client's event loop from a thread of the platform."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from contextlib import suppress

from tailwire.adapters.rule import Hidden, Word
from tailwire.adapters.watching import Ability, Informed, Watch
from tailwire.sdk.client import ChatClient

_numbers = itertools.count(1)


def started(chat: Informed, reason: str, knows: Iterable[Ability], hidden: Hidden = "background") -> Watch:
    """Return a watch whose client takes what it is told.

    An error is raised here, where the app is watched, and not later in a callback of the toolkit.

    Raises:
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
        TypeError: `chat` is no client.
        ValueError: `hidden` is neither `"background"` nor `"foreground"`.
    """
    reason = f"{reason} {next(_numbers)}"  # two watches over one client do not withdraw each other's words
    watch = Watch(chat, reason, knows, hidden=hidden)
    if not callable(getattr(chat, "set_app_state", None)):
        raise TypeError(f"give the client (a ChatClient or a tailwire.sync.Client), not a {type(chat).__name__}")
    chat.set_app_state("foreground", reason=reason)
    return watch


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def loop_of(chat: Informed) -> asyncio.AbstractEventLoop | None:
    """Return the event loop on which a client is told: the one that runs here. None: it is told in any thread.

    Raises:
        RuntimeError: `chat` is a `ChatClient`, and no event loop runs here.
    """
    loop = running_loop()
    if loop is None and isinstance(chat, ChatClient):
        raise RuntimeError("a ChatClient is watched from its event loop: call this in a coroutine of that loop")
    return loop


def saying(watch: Watch, loop: asyncio.AbstractEventLoop | None) -> Callable[[Word], None]:
    """Return a function that tells a watch a word, from any thread.

    Args:
        watch: told of the words, in their order.
        loop: where it is told; None: in the thread that says the word.
    """

    def say(word: Word) -> None:
        if loop is None or running_loop() is loop:
            watch.see(word)
            return
        with suppress(RuntimeError):  # the loop is closed: the app has ended, its platform goes on for a moment
            loop.call_soon_threadsafe(watch.see, word)

    return say
