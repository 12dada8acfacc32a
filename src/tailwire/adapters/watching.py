"""`Watch`, which every adapter returns. It reports the app state and the network to a client until it is closed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, suppress
from types import TracebackType
from typing import Any, Literal, Protocol

from tailwire.adapters.rule import Hidden, Lifecycle, State, app_state
from tailwire.sdk.exceptions import CometChatException

Ability = Literal["hidden", "paused", "sleep", "network"]
Network = Literal["online", "offline", "unknown"]
_numbers = itertools.count(1)


class WatchedClient(Protocol):
    """A client that an adapter reports to: a `ChatClient` on the toolkit's event loop, or a `tailwire.sync.Client`."""

    def set_app_state(self, state: State, *, reason: str = ...) -> None:
        """Set the app state that one source reports; `reason` names the source.

        The app is in the background while any source reports this.
        """

    def set_network(self, network: Network) -> None:
        """Set the state of the network that the platform reports."""


class Watch(AbstractContextManager["Watch"]):
    """Reports to a client whether its app is in the foreground, until `close()` or the end of the `with` block.

    It is returned by the adapters' functions (`tailwire.watch`, `watch_qt`, …).
    """

    def __init__(
        self, chat: WatchedClient, reason: str, knows: Iterable[Ability], *, hidden: Hidden = "background"
    ) -> None:
        """Start a watch (for adapters).

        The foreground is reported immediately, so that a client that cannot be used raises here, and not later in a
        callback of the toolkit.

        Args:
            chat: the client.
            reason: what is watched, such as `qt`. A number is appended, because a client is in the background while any
                watch reports this: each watch withdraws only its own report.
            knows: what the watch can detect: any of `hidden`, `paused`, `sleep` and `network`.
            hidden: the state of an app without a visible window (see `app_state`).

        Raises:
            TypeError: `chat` is not a client.
            ValueError: `hidden` is neither `"background"` nor `"foreground"`.
            CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
                `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
        """
        self._closed = False
        self._knows: frozenset[Ability] = frozenset(knows)
        self._seen: Lifecycle = "resumed"
        self._chat = checked_client(chat)
        self._reason = f"{reason} {next(_numbers)}"
        self._hidden = hidden
        self._network: Network = "unknown"
        self._state: State = app_state("resumed", "foreground", hidden=hidden)
        self._loop = None if has_own_thread(chat) else running_loop()
        self._ends = ExitStack()
        chat.set_app_state("foreground", reason=self._reason)

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"seen={self.seen!r}, knows={sorted(self.knows)}"
        return f"<{type(self).__name__} {self._reason!r}: {state}>"

    @property
    def knows(self) -> frozenset[Ability]:
        """What the watch can detect on this platform: any of `hidden`, `paused`, `sleep` and `network`."""
        return self._knows

    @property
    def seen(self) -> Lifecycle:
        """The last lifecycle state that was reported: `resumed`, `inactive`, `hidden`, `paused` or `detached`."""
        return self._seen

    async def settled(self) -> frozenset[Ability]:
        """Wait until the watch has determined what it can detect on this computer, and return `knows`."""
        return self.knows

    def set_abilities(self, *abilities: Ability) -> None:
        """Set what the watch can detect on this computer (`knows`). For adapters.

        Args:
            abilities: any of `hidden`, `paused`, `sleep` and `network`.
        """
        self._knows = frozenset(abilities)

    def at_close(self, undo: Callable[[], object]) -> None:
        """Register a function to call when the watch is closed (for adapters). The last one registered is called first.

        Args:
            undo: the function.
        """
        self._ends.callback(undo)

    def call(self, callback: Callable[[], object]) -> None:
        """Call a function in the thread in which it may use the client (for adapters; from any thread).

        A `ChatClient` may only be used on the event loop on which the watch was started. If that loop runs in this
        thread, the function is called directly; otherwise it is scheduled on that loop, or dropped if the loop is
        closed. A `tailwire.sync.Client` may be used in any thread, so the function is called directly.

        Args:
            callback: the function.
        """
        if self._loop is None or running_loop() is self._loop:
            callback()
        else:
            with suppress(RuntimeError):  # the loop is closed; the platform may still report for a moment
                self._loop.call_soon_threadsafe(callback)

    def report_threadsafe(self, lifecycle: Lifecycle) -> None:
        """Report a lifecycle state from any thread (see `report`), perhaps after this call has returned.

        Args:
            lifecycle: as for `report`.
        """
        self.call(lambda: self.report(lifecycle))

    def report(self, lifecycle: Lifecycle) -> None:
        """Report a lifecycle state. The client is notified if the app state changes. A closed watch ignores it.

        Args:
            lifecycle: `resumed`, `inactive`, `hidden`, `paused` or `detached`.

        Raises:
            ValueError: `lifecycle` is not a lifecycle state.
        """
        if self._closed:
            return
        state = app_state(lifecycle, self._state, hidden=self._hidden)
        self._seen = lifecycle
        if state != self._state:
            self._state = state
            _report_unless_closed(lambda: self._chat.set_app_state(state, reason=self._reason))

    def report_network(self, network: Network) -> None:
        """Report the state of the network to the client. A closed watch ignores it.

        Args:
            network: `online`, `offline` or `unknown`.
        """
        if not self._closed:
            self._network = network
            _report_unless_closed(lambda: self._chat.set_network(network))

    def close(self) -> None:
        """Stop watching, and withdraw the reports. May be called more than once.

        The client returns to the foreground, unless the app has ended (`detached`), and an `offline` network becomes
        `unknown`. The functions registered by `at_close` are called in this thread. If one raises, the others are still
        called before the exception is raised here.
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
                _report_unless_closed(lambda: self._chat.set_app_state("foreground", reason=self._reason))
        if self._network == "offline":
            _report_unless_closed(lambda: self._chat.set_network("unknown"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def checked_client(chat: Any) -> Any:
    """Return the object unchanged if it is a client, so that it can receive reports.

    Raises:
        TypeError: the object is not a client.
    """
    if isinstance(chat, type) or not callable(getattr(chat, "set_app_state", None)):
        what = repr(chat) if isinstance(chat, type) else f"a {type(chat).__name__}"
        raise TypeError(
            f"{what} is not a client: give a ChatClient (such as CometChat.require_client()) or a tailwire.sync.Client"
        )
    return chat


def has_own_thread(chat: object) -> bool:
    """Return whether a client is a `tailwire.sync.Client`: it has a thread, and may be called from any other."""
    return hasattr(chat, "start")


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that is running in this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _report_unless_closed(report: Callable[[], None]) -> None:
    try:
        report()
    except CometChatException as e:
        if e.code != "ERR_CLIENT_CLOSED":  # windows may outlive the client when an app exits
            raise
