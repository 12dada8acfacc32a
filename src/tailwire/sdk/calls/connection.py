"""The object that shows an app the state of its connection, and the results of `connect()` and similar calls."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from pathlib import Path

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.commands import Result
from tailwire.sdk.connection.explain import describe, explain
from tailwire.sdk.connection.history import Transition
from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.io.driver import Driver
from tailwire.sdk.io.world import World

_SUCCESS_TEXTS = {
    Result.CONNECTED: "Web socket connection successful",
    Result.DISCONNECTED: "Web socket disconnection successful",
    Result.PONG: "ping successful",
}
_NOT_LOGGED_IN = {
    Result.NOT_LOGGED_IN_CONNECT: "Please log in before establishing a WebSocket connection.",
    Result.NOT_LOGGED_IN_DISCONNECT: "Please log in before disconnecting the WebSocket connection.",
    Result.NOT_LOGGED_IN_PING: "Please log in before sending a ping to the server.",
}


def answer_of(result: Result, cause: Cause | None) -> str:
    """Return the text that `connect()`, `disconnect()` or `ping()` returns on success; raise if `result` is a failure.

    Args:
        result: how the call ended.
        cause: why an attempt to connect failed, for the text of the exception; None for other results.

    Raises:
        CometChatException: for each failure, with the code that the method documents.
    """
    if result in _SUCCESS_TEXTS:
        return _SUCCESS_TEXTS[result]
    if result in _NOT_LOGGED_IN:
        raise failure("ERR_NOT_LOGGED_IN", _NOT_LOGGED_IN[result])
    if result is Result.SESSION_EXPIRED:
        raise failure("ERR_AUTH_TOKEN_EXPIRED")
    if result is Result.IN_BACKGROUND:
        raise failure("ERR_APP_IN_BACKGROUND")
    if result is Result.CLIENT_CLOSED:
        raise failure("ERR_CLIENT_CLOSED")
    if result is Result.NO_SOCKET:
        raise failure("NO_WEBSOCKET_CONNECTION")
    if result is Result.NO_ANSWER:
        raise failure("PING_NOT_ANSWERED")
    raise failure("WS_CONNECTION_FAIL", f"The attempt failed: {describe(cause)}.", cause=cause)


def error_of(cause: Cause, details: str = "") -> CometChatException:
    """Return the exception that `on_connection_error` is called with after a failed attempt to connect.

    Args:
        cause: why the attempt failed.
        details: what else was observed, such as the status code of a proxy, or what the server said; "" for nothing.
    """
    if cause is Cause.TOKEN_REJECTED:
        return failure(
            "ERR_AUTH_TOKEN_EXPIRED", f"Log in again. The server said {details}" if details else None, cause=cause
        )
    words = describe(cause, details).rstrip(".")
    then = "Fix that, then call connect()." if cause is Cause.REFUSED else "The SDK keeps trying."
    return failure("WS_CONNECTION_FAIL", f"{words[0].upper()}{words[1:]}. {then}", cause=cause)


class Connection:
    """The connection of a client, for display and diagnosis."""

    def __init__(self, driver: Driver, world: World, reasons: Collection[str] = ()) -> None:
        self._driver = driver
        self._world = world
        self._reasons = reasons

    @property
    def status(self) -> ConnectionStatus:
        """The status: `connected`, `connecting`, `disconnected` or `featureThrottled`."""
        return self._driver.state.status

    def explain(self) -> str:
        """Return one sentence for people: the current state, its cause, and what will change it.

        While the app is in the background, it names the reasons that `set_app_state()` was given, except "app".
        """
        return explain(self._driver.state, self._world.now(), self._driver.details, self._reasons)

    @property
    def history(self) -> tuple[Transition, ...]:
        """The last 100 transitions, oldest first, with causes and times in seconds on a monotonic clock."""
        return self._driver.history.transitions

    def subscribe(self, callback: Callable[[Transition], object]) -> Callable[[], None]:
        """Call a function with each transition, as it happens. In the function, `explain()` describes the new state.

        ```python
        stop = chat.connection.subscribe(lambda t: print(t.trigger, "->", t.phase, t.cause))
        ```

        To follow the status alone, a `ConnectionListener` is enough.

        Args:
            callback: a plain function. It is called in the client's event loop and must not block. It may call the
                client. An exception that it raises is logged.

        Returns:
            A function that ends the subscription; calling it again does nothing. `aclose()` ends it too, after the last
            transition.

        Raises:
            TypeError: when `callback` is not a plain function.
        """
        return self._driver.watchers.add(callback)

    @property
    def window_left(self) -> float | None:
        """Seconds until the socket is closed because the app is in the background (manual mode).

        None in the foreground, in auto mode, and while the app does not want a connection.
        """
        until = self._driver.state.window_until
        return None if until is None else max(0.0, until - self._world.now())

    def dump(self, path: str | os.PathLike[str]) -> None:
        """Write the latest events that decided about the connection to a file, as JSON, for diagnosis.

        `tailwire replay FILE` shows how the client reacted to each. The file contains no secrets.

        Args:
            path: the path of the file; an existing file is replaced.

        Raises:
            OSError: the file cannot be written.
        """
        Path(path).write_text(json.dumps(self._driver.history.dump(), indent=1), encoding="utf-8")
