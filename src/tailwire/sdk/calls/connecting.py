"""Open, close and observe the connection, and report the app state and the network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from tailwire.sdk.calls.connection import Connection, answer_of
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.state import AppState, Network
from tailwire.sdk.io.driver import wait_until_no_socket

MAX_REASONS = 100
MAX_REASON_CHARACTERS = 100


def checked_reason(reason: str) -> str:
    """Return the `reason` argument of `set_app_state()` unchanged, after checking it.

    Raises:
        TypeError: the reason is not a string.
        ValueError: it does not have 1 to 100 characters, or some of them are not printable.
    """
    if not isinstance(reason, str):
        raise TypeError(f"the reason is a {type(reason).__name__}: give a name, as text")
    if not 0 < len(reason) <= MAX_REASON_CHARACTERS or not reason.isprintable():
        raise ValueError(f"give a reason of 1 to {MAX_REASON_CHARACTERS} printable characters")
    return reason


class ConnectionCalls:
    """The calls that open, close and observe the connection, and report the app state and the network."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._background_reasons: set[str] = set()

    async def connect(self) -> str:
        """Open the connection, and wait until it is open or the first attempt has failed.

        Returns:
            "Web socket connection successful".

        Raises:
            CometChatException: `ERR_NOT_LOGGED_IN`; `ERR_AUTH_TOKEN_EXPIRED` when the server has rejected the auth
                token: log in again; `ERR_APP_IN_BACKGROUND` when auto mode keeps the connection closed in the
                background; `WS_CONNECTION_FAIL` when the attempt fails (the SDK keeps trying, unless the server
                refused this client), or the connection is no longer wanted, for example after `disconnect()`.
        """
        return await self._call(i.ConnectCalled)

    async def disconnect(self) -> str:
        """Close the connection. It stays closed until `connect()`.

        In auto mode, it is also opened by a login, and when the app returns to the foreground.

        Returns:
            "Web socket disconnection successful".

        Raises:
            CometChatException: `ERR_NOT_LOGGED_IN` when no user is logged in.
        """
        return await self._call(i.DisconnectCalled)

    async def ping(self) -> str:
        """Report to the server that the app is active, and wait for its answer.

        In manual mode, while the app is in the background, this also keeps the socket open for 30 seconds from now.

        Returns:
            "ping successful", when the server has answered.

        Raises:
            CometChatException: `ERR_NOT_LOGGED_IN`; `NO_WEBSOCKET_CONNECTION` when no socket is open, or it is lost
                before the answer; `PING_NOT_ANSWERED` when the connection is open, but listeners of the app were busy,
                so that the answer was not read in time.
        """
        return await self._call(i.PingCalled)

    async def _call(self, make: Callable[[int], i.Input]) -> str:
        result, cause = await self._parts.driver.call(make)
        return answer_of(result, cause)

    def connection(self) -> Connection:
        """Return an object that shows the status and the history of the connection. Each call makes a new one."""
        return Connection(self._parts.driver, self._parts.world, self._background_reasons)

    async def wait_connected(self, timeout: float | None = None) -> None:
        """Wait until the status is `connected` or `featureThrottled`: until a socket is open and authenticated.

        Args:
            timeout: seconds; None sets no limit.

        Raises:
            TimeoutError: the timeout has passed; its text is that of `connection.explain()`.
            CometChatException: `ERR_CLIENT_CLOSED` when the client is closed meanwhile.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._parts.driver.connected.wait()
        except TimeoutError:
            raise TimeoutError(self.connection().explain()) from None
        self._parts.gate.check_usable()

    async def wait_disconnected(self, timeout: float | None = None) -> None:
        """Wait until no socket is open, and the closing handshake of the last one is over.

        Use it before code that needs a closed connection, such as putting the device to sleep. It does not close
        anything itself: call `disconnect()`, `logout()` or `set_app_state("background")` first.

        Args:
            timeout: seconds; None sets no limit.

        Raises:
            TimeoutError: the timeout has passed; its text is that of `connection.explain()`.
        """
        try:
            async with asyncio.timeout(timeout):
                await wait_until_no_socket(self._parts.driver)
        except TimeoutError:
            raise TimeoutError(self.connection().explain()) from None

    def set_app_state(self, state: AppState | Literal["foreground", "background"], *, reason: str = "app") -> None:
        """Report whether the app is in the foreground or in the background.

        Several sources may report independently, each with its own reason: a hidden window, a device going to sleep.
        The client is in the background while at least one of them reports it.

        ```python
        chat.set_app_state("background", reason="window hidden")
        chat.set_app_state("foreground", reason="window hidden")
        ```

        Args:
            state: `foreground` or `background`.
            reason: the name of the source, 1 to 100 printable characters; `connection.explain()` shows it. An app with
                one source can omit it.

        Raises:
            ValueError: the state is unknown, or the reason is empty, too long or not printable.
            TypeError: the reason is not a string.
            RuntimeError: 100 reasons keep the app in the background already. End one with
                `set_app_state("foreground", reason=…)`.
        """
        app, reasons = AppState(state), self._background_reasons
        reason = checked_reason(reason)
        if app is AppState.BACKGROUND and len(reasons | {reason}) > MAX_REASONS:
            advice = "End each with set_app_state('foreground', reason=…); a source uses the same reason each time."
            raise RuntimeError(f"{MAX_REASONS} reasons keep the app in the background already. {advice}")
        (reasons.add if app is AppState.BACKGROUND else reasons.discard)(reason)
        self._parts.driver.feed(i.AppStateChanged(AppState.BACKGROUND if reasons else AppState.FOREGROUND))

    def set_network(self, network: Network | Literal["online", "offline", "unknown"]) -> None:
        """Report the state of the network as the platform sees it: `online`, `offline` or `unknown`.

        The report is a hint: the client tries to connect even while the platform reports `offline`, but rarely.

        Args:
            network: after `offline` the client rarely tries to connect; `online` makes it try at once; `unknown` counts
                as online.

        Raises:
            ValueError: for another state.
        """
        self._parts.driver.feed(i.NetworkChanged(Network(network)))
