"""The WebSocket of the library `websockets`, and the mapping of its exceptions to causes."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHeader,
    InvalidMessage,
    InvalidProxyStatus,
    InvalidStatus,
    ProxyError,
    SecurityError,
    WebSocketException,
)
from websockets.http11 import Response

from tailwire.sdk.connection.causes import Cause, cause_of_close
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.io.addresses import ATTEMPT_DELAY_SECONDS, connected_socket
from tailwire.sdk.io.answers import is_code
from tailwire.sdk.io.failures import (
    AttemptError,
    WireClosed,
    attempt_error_of,
    cause_of_error,
    describe_refusal,
    seconds_of,
)
from tailwire.sdk.io.proxies import Proxy, UnusableProxy, proxy_for
from tailwire.sdk.io.tls import context_for, default_context
from tailwire.sdk.io.traffic import not_counted

log = logging.getLogger("tailwire")

MAX_BYTES = 4 * 1024 * 1024
CLOSE_TIMEOUT_SECONDS = 0.5
_STATUSES_WITHOUT_UPGRADE = (404, 405, 426)
"""Statuses with which the chat server responds to a request whose Upgrade header a proxy has removed."""


class WebSocketWire:
    """An open WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        """Send a text message.

        Raises:
            WireClosed: if the socket has ended.
        """
        try:
            await self._connection.send(text)
        except ConnectionClosed as e:
            raise WireClosed(cause_of_close(e.rcvd.code if e.rcvd else None)) from e

    async def receive(self) -> str | bytes:
        """Return the next message.

        Raises:
            WireClosed: if the socket has ended.
        """
        try:
            return await self._connection.recv(decode=False)
        except ConnectionClosed as e:
            raise WireClosed(cause_of_close(e.rcvd.code if e.rcvd else None)) from e

    def reader(self) -> Callable[[], Awaitable[str | bytes]]:
        """Return the library's `recv`, which saves a coroutine per message compared with `receive`."""
        return partial(self._connection.recv, decode=False)

    def cause_of_end(self, error: Exception) -> Cause | None:
        """Return why the socket ended, given an exception of `reader()`; None if the exception does not mean that."""
        if not isinstance(error, ConnectionClosed):
            return None
        return cause_of_close(error.rcvd.code if error.rcvd else None)

    async def close(self, code: int) -> None:
        """Close with a close frame, wait up to 0.5 s for the peer's close frame, then `abort()`."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                await self._connection.close(code)
        except (TimeoutError, OSError):
            self.abort()

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        self._connection.transport.abort()


class _Connection(ClientConnection):
    # Bytes of incomplete frames count too: a slow line is not a dead one.
    moved: Callable[[], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.moved()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.moved()
        super().data_received(data)
        if self.transport.get_write_buffer_size() > MAX_BYTES:
            self.transport.abort()  # the peer sends pings and does not read the pongs


class _Connect(connect):
    # The chat server does not redirect, so an intermediary does: do not follow it.
    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_wire(
    url: str,
    headers: Mapping[str, str],
    tls: ssl.SSLContext | None,
    proxy: str | None = None,
    moved: Callable[[], None] = not_counted,
) -> WebSocketWire:
    """Open a WebSocket, through the proxy that `proxy_for` returns. The arguments are those of `World.open_wire`.

    Raises:
        AttemptError: if it cannot be opened; its details name the proxy, if there is one.
    """
    through: Proxy | None = None
    try:
        through = await proxy_for(url, proxy)
        connection = await _connect(url, headers, tls, through, moved)
    except (UnusableProxy, OSError, EOFError, WebSocketException, UnicodeError) as e:
        error = _attempt_error(e, through)
        log.info("the WebSocket was not opened: %s: %s", error.cause.value, error.details)
        raise error from e
    return WebSocketWire(connection)


async def _connect(
    url: str, headers: Mapping[str, str], tls: ssl.SSLContext | None, proxy: Proxy | None, moved: Callable[[], None]
) -> ClientConnection:
    def make_connection(*args: Any, **more: Any) -> ClientConnection:
        connection = _Connection(*args, **more)
        connection.moved = moved
        return connection

    options: dict[str, Any] = {"ssl": context_for(tls)} if url.startswith("wss:") else {}
    if proxy is not None and proxy.scheme == "https":
        options["proxy_ssl"] = default_context()
    if proxy is None:
        parts = urlsplit(url)
        options["sock"] = await connected_socket(parts.hostname or "", parts.port or (443 if options else 80))
    elif not proxy.socks and isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop):
        # uvloop does not support this option, and tries the addresses of a proxy one after the other.
        options["happy_eyeballs_delay"] = ATTEMPT_DELAY_SECONDS
    return await _Connect(
        url,
        additional_headers=headers,
        user_agent_header="tailwire-python",
        create_connection=make_connection,  # type: ignore[arg-type]  # any callable is accepted
        compression=None,
        ping_interval=None,  # the connection machine sends heartbeats
        open_timeout=None,  # and limits attempts
        close_timeout=CLOSE_TIMEOUT_SECONDS,
        max_size=MAX_BYTES,
        # The SOCKS proxy resolves names, as for HTTP.
        proxy=proxy.url.replace("socks5://", "socks5h://", 1) if proxy is not None else None,
        **options,
    )


def _attempt_error(error: Exception, proxy: Proxy | None) -> AttemptError:
    through = f" (through the proxy {proxy.name})" if proxy is not None else ""
    if isinstance(error, InvalidStatus):
        return _error_of_refusal(error.response, through)
    wait, details = None, f"{error}{through}"
    if isinstance(error, ProxyError | UnusableProxy):
        cause = Cause.PROXY_REFUSED
        if isinstance(error, InvalidProxyStatus):
            wait = seconds_of(error.response.headers.get("Retry-After"))
        elif error.__cause__ is not None:
            details = f"{error}: {error.__cause__}{through}"
    elif isinstance(error, InvalidHeader):
        cause, details = Cause.WEBSOCKET_REFUSED, f"HTTP 101 without what makes it a WebSocket: {details}"
    elif isinstance(error, SecurityError) or _is_not_http(error):
        cause = Cause.NOT_OUR_SERVER
    elif isinstance(error, WebSocketException) and not isinstance(error, InvalidMessage):
        cause = Cause.BAD_ANSWER
    else:
        cause = cause_of_error(error)
        if proxy is not None and cause is Cause.CONNECTION_REFUSED:
            cause = Cause.PROXY_REFUSED  # the proxy refused
    return AttemptError(cause, wait, details=details)


def _is_not_http(error: Exception) -> bool:
    # A truncated response has the error of the connection as its cause.
    return isinstance(error, InvalidMessage) and not isinstance(error.__cause__, OSError | EOFError)


def _error_of_refusal(response: Response, through: str) -> AttemptError:
    # The body shows who responded: our server wraps every refusal in its error envelope.
    status = response.status_code
    wait = seconds_of(response.headers.get("Retry-After"))
    details = f"HTTP {status}{through}"
    refusal = _refusal_in(response.body)
    if refusal is not None:
        if status in (429, 503):
            return AttemptError(Cause.SERVER_BUSY, wait, ours=True, details=f"{details}: {describe_refusal(refusal)}")
        if status in _STATUSES_WITHOUT_UPGRADE:
            return AttemptError(Cause.WEBSOCKET_REFUSED, details=f"{details}: the server saw no request to upgrade")
        return attempt_error_of(refusal, details)
    html = "html" in response.headers.get("Content-Type", "").lower() or response.body[:256].lstrip().startswith(b"<")
    if 300 <= status < 400 or status == 511 or (200 <= status < 300 and html):
        return AttemptError(Cause.CAPTIVE_PORTAL, wait, details=details)
    if status in (407, 429, 502, 503, 504):
        return AttemptError(Cause.PROXY_REFUSED, wait, details=details)
    return AttemptError(Cause.WEBSOCKET_REFUSED, details=details)


def _refusal_in(body: bytes | bytearray) -> CometChatException | None:
    try:
        error = json.loads(body)["error"]
        code, message, details = error["code"], error.get("message") or "", error.get("details") or ""
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return CometChatException(code, str(message), details) if is_code(code) else None
