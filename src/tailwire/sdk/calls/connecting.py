"""The part of a client that deals with the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Literal

from tailwire.sdk.calls.access import Access, OnError, OnSuccess, settle
from tailwire.sdk.calls.connection import Connection, answer_of
from tailwire.sdk.calls.listening import ListeningCalls
from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.state import AppState, ConnectionStatus, Network
from tailwire.sdk.dispatch.incoming import Incoming
from tailwire.sdk.dispatch.queue import EventQueue
from tailwire.sdk.exceptions import failure
from tailwire.sdk.io.driver import Driver, no_socket
from tailwire.sdk.io.link import Connector

MAX_REASONS = 100
MAX_REASON = 100


def checked_reason(reason: str) -> str:
    """Return the name of a source of `set_app_state()`.

    Raises:
        TypeError, ValueError: when it is none.
    """
    if not isinstance(reason, str):
        raise TypeError(f"the reason is a {type(reason).__name__}: give a name, as text")
    if not 0 < len(reason) <= MAX_REASON or not reason.isprintable():
        raise ValueError(f"the reason is a name of 1 to {MAX_REASON} characters that can be printed")
    return reason


class ConnectionCalls(Access, ListeningCalls):
    """The part of a client that deals with the connection."""

    _driver: Driver | None = None
    _incoming: Incoming | None = None
    _connector: Connector | None = None
    _in_background: set[str]

    @property
    def _parts(self) -> tuple[Driver, Incoming, EventQueue, Connector]:
        if self._driver is None or self._incoming is None or self._queue is None or self._connector is None:
            raise failure("COMETCHAT_INITIALIZATION_NOT_DONE")
        return self._driver, self._incoming, self._queue, self._connector

    async def connect(self, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str:
        """Open the connection, and wait for it.

        Returns:
            "Web socket connection successful".

        Raises:
            CometChatException: `ERR_NOT_LOGGED_IN`; `WS_CONNECTION_FAIL` when the attempt fails: the wish stays, the
                SDK goes on trying; `ERR_APP_IN_BACKGROUND`; `ERR_AUTH_TOKEN_EXPIRED`.
        """
        return await settle(self._call(i.ConnectCalled), on_success, on_error)

    async def disconnect(self, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str:
        """Close the connection.

        Returns:
            "Web socket disconnection successful".

        Raises:
            CometChatException: `ERR_NOT_LOGGED_IN`.
        """
        return await settle(self._call(i.DisconnectCalled), on_success, on_error)

    async def ping(self, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str:
        """Tell the server that the app is active; in manual mode's background, keep the socket 30 s more.

        Returns:
            "ping successful", when the server has answered.

        Raises:
            CometChatException: `ERR_NOT_LOGGED_IN`, `NO_WEBSOCKET_CONNECTION`.
        """
        return await settle(self._call(i.PingCalled), on_success, on_error)

    def _tell(self, event: object) -> None:
        if self._queue is not None:
            self._queue.put(event)

    def _parameters(self) -> Mapping[str, Any]:
        settings = self._connector.settings if self._connector is not None else None
        return settings.parameters if settings is not None else {}

    def _chat_url(self) -> str:
        settings = self._parts[3].settings
        if settings is None:
            raise failure("NO_WEBSOCKET_CONNECTION")
        scheme = self._reached().base_url.partition("://")[0]
        return f"{scheme}://{settings.chat_host}:{settings.chat_port}"

    def _receipts_are_blocked(self) -> bool:
        return self._incoming is not None and self._incoming.receipts_blocked

    async def _call(self, make: Callable[[int], i.Input]) -> str:
        result, cause = await self._parts[0].call(make)
        return answer_of(result, cause)

    def get_connection_status(self) -> ConnectionStatus:
        """The status of now."""
        return self._driver.state.status if self._driver is not None else ConnectionStatus.DISCONNECTED

    @property
    def connection(self) -> Connection:
        """Status, explanation, history and dump of the connection."""
        return Connection(self._parts[0], self._world, self._in_background)

    async def wait_connected(self, timeout: float | None = None) -> None:
        """Wait until the status is `connected`.

        Args:
            timeout: seconds; None waits for ever.

        Raises:
            TimeoutError: it was not in time; `connection.explain()` says why.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._parts[0].connected.wait()
        except TimeoutError:
            raise TimeoutError(self.connection.explain()) from None

    async def wait_disconnected(self, timeout: float | None = None) -> None:
        """Wait until no socket is there: a socket that is being closed has said goodbye then.

        For what must wait for it, such as a machine that goes to sleep. It closes nothing itself: `disconnect()`,
        `logout()` and `set_app_state("background")` do.

        Args:
            timeout: seconds; None waits for ever.

        Raises:
            TimeoutError: there is still one; `connection.explain()` says why.
        """
        try:
            async with asyncio.timeout(timeout):
                await no_socket(self._parts[0])
        except TimeoutError:
            raise TimeoutError(self.connection.explain()) from None

    def event_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop that the client belongs to: the one on which `init()` ran.

        Raises:
            CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
        """
        if self._loop is None:
            raise failure("COMETCHAT_INITIALIZATION_NOT_DONE")
        return self._loop

    def set_app_state(self, state: AppState | Literal["foreground", "background"], *, reason: str = "app") -> None:
        """Report where the app is: `foreground` or `background`.

        Several sources may report, each under a name of its own: a window that is hidden, a machine that goes to
        sleep. The client is in the background while any of them says so.

        Args:
            state: where the app is.
            reason: who says so, in a word or two: `connection.explain()` names it. An app that has one source need not
                name it.

        Raises:
            ValueError: for another word; for a reason that is empty, too long or cannot be printed.
            TypeError: the reason is no text.
            RuntimeError: 100 reasons are held already: each ends with `set_app_state("foreground", reason=…)`.
        """
        driver, app = self._parts[0], AppState(state)
        reason = checked_reason(reason)
        if app is AppState.BACKGROUND and len(self._in_background | {reason}) > MAX_REASONS:
            words = "End each with set_app_state('foreground', reason=…); a source uses one reason again and again."
            raise RuntimeError(f"{MAX_REASONS} reasons keep the app in the background already. {words}")
        (self._in_background.add if app is AppState.BACKGROUND else self._in_background.discard)(reason)
        driver.feed(i.AppStateChanged(AppState.BACKGROUND if self._in_background else AppState.FOREGROUND))

    def set_network(self, network: Network | Literal["online", "offline", "unknown"]) -> None:
        """Report what the platform says of the network: `online`, `offline` or `unknown`. A hint, never a proof.

        Raises:
            ValueError: for another word.
        """
        self._parts[0].feed(i.NetworkChanged(Network(network)))
