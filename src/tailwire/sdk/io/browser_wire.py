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

GOODBYE = 0.5
MAX_WAITING = 8 * 1024 * 1024
"""Characters of messages that may wait for the reader, or for the network. A browser has no way to read more slowly."""
_OPEN = 1
_NORMAL = 1000


class BrowserWire:
    """A WebSocket of the browser.

    Args:
        socket: a JavaScript `WebSocket` that was just made.
        proxied: makes a JavaScript function of a Python one; what it gives has `destroy()`.
        moved: called whenever a message comes.
    """

    def __init__(self, socket: Any, proxied: Callable[[Callable[..., object]], Any], moved: Callable[[], None]) -> None:
        self._socket = socket
        self._moved = moved
        self._came: deque[str | bytes] = deque()
        self._waiting = 0
        self._ended: Cause | None = None
        self._changed = asyncio.Event()  # something came, it opened, or it ended
        self.opened = False
        socket.binaryType = "arraybuffer"
        self._proxies = {
            "onopen": proxied(self._on_open),
            "onmessage": proxied(self._on_message),
            "onclose": proxied(self._on_close),
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
        self._waiting += _weight(piece)
        if self._waiting > MAX_WAITING:
            log.info("more came than the app takes: the socket is given up, and what is left out is read from history")
            self.abort()
            return
        self._came.append(piece)
        self._changed.set()

    def _on_close(self, event: Any) -> None:
        self._end(cause_of_close(int(event.code)))

    def _end(self, cause: Cause) -> None:
        if self._ended is not None:
            return
        self._ended = cause
        for name in self._proxies:
            setattr(self._socket, name, None)
        for proxy in self._proxies.values():
            proxy.destroy()
        self._proxies.clear()
        self._changed.set()

    # The SDK's side.

    async def until_open(self) -> None:
        """Wait until it is open.

        Raises:
            WireClosed: when it was not opened.
        """
        while not self.opened:
            if self._ended is not None:
                raise WireClosed(self._ended)
            await self._wait()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def send(self, text: str) -> None:
        """Send a text message.

        Raises:
            WireClosed: when the socket has ended.
        """
        if self._ended is None and self._socket.readyState == _OPEN:
            try:
                self._socket.send(text)
            except Exception as e:  # noqa: BLE001 - a JsException, which is to be had in a browser only
                log.info("the browser sends nothing on its socket any more: %s", e)
                self.abort()
            else:
                if self._socket.bufferedAmount > MAX_WAITING:
                    self.abort()  # the other side takes no bytes any more
        if self._ended is not None or self._socket.readyState != _OPEN:
            raise WireClosed(self._ended or Cause.CONNECTION_RESET)

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            WireClosed: when the socket has ended, behind what came before that.
        """
        while not self._came:
            if self._ended is not None:
                raise WireClosed(self._ended)
            await self._wait()
        piece = self._came.popleft()
        self._waiting -= _weight(piece)
        return piece

    def reader(self) -> Callable[[], Awaitable[str | bytes]]:
        """As `receive`."""
        return self.receive

    def cause_of_end(self, error: Exception) -> Cause | None:
        """How the socket ended, from what `reader` raised; None when that is another error."""
        return error.cause if isinstance(error, WireClosed) else None

    async def close(self, code: int) -> None:
        """Say goodbye, wait a moment for the answer, end.

        Args:
            code: 1000, or 3000 to 4999: a page may send no other, and 1000 is sent for those.
        """
        if self._ended is None:
            self._socket.close(int(code) if 3000 <= code <= 4999 else _NORMAL)
        try:
            async with asyncio.timeout(GOODBYE):
                while self._ended is None:
                    await self._wait()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """End without waiting for the other side. A page cannot cut a connection: the goodbye is sent behind it."""
        if self._ended is None:
            self._came.clear()
            self._end(Cause.CONNECTION_RESET)
            self._socket.close()


def _weight(piece: str | bytes) -> int:
    return max(1, len(piece))  # an empty one takes a place too


async def open_browser_wire(url: str, moved: Callable[[], None]) -> BrowserWire:
    """Open a WebSocket of the browser.

    Raises:
        AttemptError: when it cannot be opened. The browser does not say why.
    """
    import js
    from pyodide.ffi import JsException, create_proxy

    try:
        socket = js.WebSocket.new(url)
    except JsException as e:  # an address that is none, or ws:// in a page that was loaded by https
        raise AttemptError(Cause.WEBSOCKET_REFUSED, details=f"{url}: {e.message}") from e
    wire = BrowserWire(socket, create_proxy, moved)
    try:
        await wire.until_open()
    except WireClosed as e:
        offline = getattr(js.navigator, "onLine", True) is False
        cause = Cause.NETWORK_UNREACHABLE if offline else e.cause
        raise AttemptError(cause, details=f"no WebSocket to {url}", unexplained=not offline) from e
    except BaseException:
        wire.abort()
        raise
    return wire
