"""What every adapter gives its app: a `Watch`, which reports the app's state to a client until it is closed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, suppress
from types import TracebackType
from typing import Any, Literal, Protocol

from tailwire.adapters.rule import Hidden, State, Word, app_state
from tailwire.sdk.exceptions import CometChatException

Ability = Literal["hidden", "paused", "sleep", "network"]
Network = Literal["online", "offline", "unknown"]
_numbers = itertools.count(1)


class Informed(Protocol):
    """A client that an adapter informs: a `ChatClient` on the toolkit's event loop, or a `tailwire.sync.Client`."""

    def set_app_state(self, state: State, *, reason: str = ...) -> None:
        """Take what one source says of the app's state."""

    def set_network(self, network: Network) -> None:
        """Take what the platform says of the network."""


class Watch(AbstractContextManager["Watch"]):
    """A watch over the app. It ends with `close()`, or with the `with` block."""

    def __init__(self, chat: Informed, reason: str, knows: Iterable[Ability], *, hidden: Hidden = "background") -> None:
        """Begin a watch (for adapters).

        The client is told that it is in the foreground: one that cannot be told fails here, where the watch begins,
        and not later in a callback of the toolkit.

        Args:
            chat: the client that is informed.
            reason: what is watched. A number is added, so that two watches over one client do not withdraw each
                other's words; the client is in the background while any of them says so.
            knows: what can be known on this platform.
            hidden: what `hidden` means for this app (see `rule.app_state`).

        Raises:
            TypeError: `chat` is no client.
            ValueError: `hidden` is neither `"background"` nor `"foreground"`.
            CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`: a
                `ChatClient` is watched from its event loop.
        """
        self._closed = False
        self._knows: frozenset[Ability] = frozenset(knows)
        self._seen: Word = "resumed"
        self._chat = checked_client(chat)
        self._reason = f"{reason} {next(_numbers)}"
        self._hidden = hidden
        self._network: Network = "unknown"
        self._state: State = app_state("resumed", "foreground", hidden=hidden)
        self._loop = None if has_own_thread(chat) else running_loop()
        self._ends = ExitStack()
        chat.set_app_state("foreground", reason=self._reason)

    @property
    def knows(self) -> frozenset[Ability]:
        """What can be known here: of `hidden`, `paused`, `sleep` and `network`."""
        return self._knows

    @property
    def seen(self) -> Word:
        """The last word that the framework said: `resumed`, `inactive`, `hidden`, `paused` or `detached`."""
        return self._seen

    async def settled(self) -> frozenset[Ability]:
        """Wait until it is sure what can be known here, and return it (`knows`)."""
        return self.knows

    def learn(self, *abilities: Ability) -> None:
        """Take what turned out to be known here, in place of what was said before (for adapters)."""
        self._knows = frozenset(abilities)

    def at_close(self, undo: Callable[[], object]) -> None:
        """Have the adapter's hold on its framework undone when the watch ends; the last one first."""
        self._ends.callback(undo)

    def call(self, told: Callable[[], object]) -> None:
        """Call a function where the client is told (for adapters; from any thread).

        On the event loop on which the watch began: at once when this is its thread, else soon, in order. A
        `tailwire.sync.Client` may be told in any thread: at once in this one.
        """
        if self._loop is None or running_loop() is self._loop:
            told()
        else:
            with suppress(RuntimeError):  # the loop has ended; the platform goes on for a moment
                self._loop.call_soon_threadsafe(told)

    def say(self, word: Word) -> None:
        """Take what the framework says, from whichever thread it does so (see `see`)."""
        self.call(lambda: self.see(word))

    def see(self, word: Word) -> None:
        """Take what the framework says; the client is told when the app's state changes.

        Raises:
            ValueError: the word is none of the five.
        """
        if self._closed:
            return
        state = app_state(word, self._state, hidden=self._hidden)
        self._seen = word
        if state != self._state:
            self._state = state
            _told(lambda: self._chat.set_app_state(state, reason=self._reason))

    def see_network(self, network: Network) -> None:
        """Take what the platform says of the network."""
        if not self._closed:
            self._network = network
            _told(lambda: self._chat.set_network(network))

    def close(self) -> None:
        """Stop watching. What the watch said is withdrawn, unless the app's window is gone for good (`detached`).

        The client may be told from any thread; the toolkit is let go in this one. Whatever goes wrong meanwhile is
        raised when nothing is held any more. Twice is once.
        """
        if self._closed:
            return
        self._closed = True
        with self._ends:
            self.call(self._withdraw)

    def _withdraw(self) -> None:
        if self._seen != "detached":
            self._seen = "resumed"
            if self._state != "foreground":
                self._state = "foreground"
                _told(lambda: self._chat.set_app_state("foreground", reason=self._reason))
        if self._network == "offline":
            _told(lambda: self._chat.set_network("unknown"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def checked_client(chat: Any) -> Any:
    """Return the client.

    Raises:
        TypeError: it is none.
    """
    if isinstance(chat, type) or not callable(getattr(chat, "set_app_state", None)):
        given = repr(chat) if isinstance(chat, type) else f"a {type(chat).__name__}"
        raise TypeError(
            f"{given} is no client: give a ChatClient (such as CometChat.require_client()) or a tailwire.sync.Client"
        )
    return chat


def has_own_thread(chat: object) -> bool:
    """Return whether a client is one with a thread of its own (`tailwire.sync`), which any thread may tell."""
    return hasattr(chat, "start")


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _told(tell: Callable[[], None]) -> None:
    try:
        tell()
    except CometChatException as e:
        if e.code != "ERR_CLIENT_CLOSED":  # windows outlive the client when an app ends
            raise
