"""A WebSocket of the browser, for Python in a web page (Pyodide)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from tailwire.sdk.connection.causes import Cause, cause_of_close
from tailwire.sdk.io.failures import AttemptError, WireClosed

log = logging.getLogger("tailwire")

CLOSE_TIMEOUT_SECONDS = 0.5
MAX_WAITING_CHARACTERS = 8 * 1024 * 1024
"""The maximum number of characters of received messages that wait to be read, and of bytes that wait to be sent.

Beyond it the socket is aborted, because a page cannot make the browser stop reading from the network.
"""
_OPEN_STATE = 1
_NORMAL_CLOSE_CODE = 1000


class BrowserWire:
    """A WebSocket of the browser.

    Args:
        socket: a new JavaScript `WebSocket`.
        make_proxy: wraps a Python function so that JavaScript can call it; the result has the method `destroy()`.
        moved: called when the socket has opened, and for each received message.

    Attributes:
        opened: whether the socket has opened; remains True when it has ended.
    """

    def __init__(
        self, socket: Any, make_proxy: Callable[[Callable[..., object]], Any], moved: Callable[[], None]
    ) -> None:
        self._socket = socket
        self._moved = moved
        self._unread: deque[str | bytes] = deque()  # received messages
        self._unread_characters = 0
        self._end_cause: Cause | None = None
        self._changed = asyncio.Event()  # a message arrived, the socket opened or ended
        self.opened: bool = False
        socket.binaryType = "arraybuffer"
        self._proxies = {
            "onopen": make_proxy(self._on_open),
            "onmessage": make_proxy(self._on_message),
            "onclose": make_proxy(self._on_close),
        }
        for name, proxy in self._proxies.items():
            setattr(socket, name, proxy)

    # The browser's side.

    def _on_open(self, _: Any) -> None:
        self.opened = True
        self._moved()
        self._changed.set()

    def _on_message(self, event: Any) -> None:
        self._moved()
        data = event.data
        piece: str | bytes = data if isinstance(data, str) else data.to_bytes()
        self._unread_characters += _weight(piece)
        if self._unread_characters > MAX_WAITING_CHARACTERS:
            log.info("the app does not keep up: the socket is closed, and what it misses is read from history")
            self.abort()
            return
        self._unread.append(piece)
        self._changed.set()

    def _on_close(self, event: Any) -> None:
        self._end(cause_of_close(int(event.code)))

    def _end(self, cause: Cause) -> None:
        if self._end_cause is not None:
            return
        self._end_cause = cause
        for name in self._proxies:
            setattr(self._socket, name, None)
        for proxy in self._proxies.values():
            proxy.destroy()
        self._proxies.clear()
        self._changed.set()

    # The SDK's side.

    async def wait_until_open(self) -> None:
        """Wait until the socket is open.

        Raises:
            WireClosed: if it cannot be opened.
        """
        while not self.opened:
            if self._end_cause is not None:
                raise WireClosed(self._end_cause)
            await self._wait_for_change()

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def send(self, text: str) -> None:
        """Send a text message.

        Raises:
            WireClosed: if the socket is not open. Also if the browser refuses to send, or more than
                `MAX_WAITING_CHARACTERS` bytes wait to be sent; the socket is aborted then.
        """
        if self._end_cause is None and self._socket.readyState == _OPEN_STATE:
            try:
                self._socket.send(text)
            except Exception as e:  # noqa: BLE001 - a JsException, which exists only in a browser
                log.info("the browser refused to send on its socket: %s", e)
                self.abort()
            else:
                if self._socket.bufferedAmount > MAX_WAITING_CHARACTERS:
                    self.abort()  # the server does not read
        if self._end_cause is not None or self._socket.readyState != _OPEN_STATE:
            raise WireClosed(self._end_cause or Cause.CONNECTION_RESET)

    async def receive(self) -> str | bytes:
        """Return the next message.

        Raises:
            WireClosed: if the socket has ended and all messages have been read.
        """
        while not self._unread:
            if self._end_cause is not None:
                raise WireClosed(self._end_cause)
            await self._wait_for_change()
        piece = self._unread.popleft()
        self._unread_characters -= _weight(piece)
        return piece

    def reader(self) -> Callable[[], Awaitable[str | bytes]]:
        """Return `receive`, as `Wire.reader` requires."""
        return self.receive

    def cause_of_end(self, error: Exception) -> Cause | None:
        """Return why the socket ended, given an exception of `receive`; None if the exception does not mean that."""
        return error.cause if isinstance(error, WireClosed) else None

    async def close(self, code: int) -> None:
        """Close with a close frame, wait up to 0.5 s for the peer's close frame, then `abort()`.

        Args:
            code: 1000, or 3000 to 4999; for any other, which a page may not send, 1000 is sent.
        """
        if self._end_cause is None:
            self._socket.close(int(code) if 3000 <= code <= 4999 else _NORMAL_CLOSE_CODE)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                while self._end_cause is None:
                    await self._wait_for_change()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """End the socket without waiting for the peer, and drop unread messages.

        The browser still sends a close frame, because a page cannot reset a connection.
        """
        if self._end_cause is None:
            self._unread.clear()
            self._end(Cause.CONNECTION_RESET)
            self._socket.close()


def _weight(piece: str | bytes) -> int:
    return max(1, len(piece))  # empty messages count as well


async def open_browser_wire(url: str, moved: Callable[[], None]) -> BrowserWire:
    """Open a WebSocket of the browser, and wait until it is open.

    Args:
        moved: as for `BrowserWire`.

    Raises:
        AttemptError: if it cannot be opened. The browser does not say why, so `unexplained` is set unless it is
            offline or refused the URL.
    """
    import js
    from pyodide.ffi import JsException, create_proxy

    try:
        socket = js.WebSocket.new(url)
    except JsException as e:  # an invalid address, or ws:// in a page loaded by https
        raise AttemptError(Cause.WEBSOCKET_REFUSED, details=f"{url}: {e.message}") from e
    wire = BrowserWire(socket, create_proxy, moved)
    try:
        await wire.wait_until_open()
    except WireClosed as e:
        offline = getattr(js.navigator, "onLine", True) is False
        cause = Cause.NETWORK_UNREACHABLE if offline else e.cause
        raise AttemptError(cause, details=f"no WebSocket to {url}", unexplained=not offline) from e
    except BaseException:
        wire.abort()
        raise
    return wire
