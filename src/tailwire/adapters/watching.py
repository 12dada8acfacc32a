"""What every adapter gives its app: a `Watch`, which reports the app's state to a client until it is closed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Literal, Protocol

from tailwire.adapters.rule import Hidden, State, Word, app_state
from tailwire.sdk.exceptions import CometChatException

Ability = Literal["hidden", "paused", "sleep", "network"]
Network = Literal["online", "offline", "unknown"]


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

        Args:
            chat: the client that is informed.
            reason: under which name. The client is in the background while any reason says so.
            knows: what can be known on this platform.
            hidden: what `hidden` means for this app (see `rule.app_state`).

        Raises:
            ValueError: `hidden` is neither `"background"` nor `"foreground"`.
        """
        self._knows: frozenset[Ability] = frozenset(knows)
        self._seen: Word = "resumed"
        self._chat = chat
        self._reason = reason
        self._hidden = hidden
        self._network: Network = "unknown"
        self._state: State = app_state("resumed", "foreground", hidden=hidden)
        self._ends = ExitStack()
        self._closed = False

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
        """Stop watching. What the watch said is withdrawn, unless the app's window is gone for good (`detached`)."""
        if self._closed:
            return
        if self.seen != "detached":
            self.see("resumed")
        if self._network == "offline":
            self.see_network("unknown")
        self._closed = True
        self._ends.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _told(tell: Callable[[], None]) -> None:
    try:
        tell()
    except CometChatException as e:
        if e.code != "ERR_CLIENT_CLOSED":  # windows outlive the client when an app ends
            raise
