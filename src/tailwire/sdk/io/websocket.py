"""A WebSocket by `websockets`, and what its failures mean."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from tailwire.sdk.connection.causes import Cause, cause_of_close
from tailwire.sdk.io.failures import AttemptError, WireClosed, cause_of_error, seconds_of

MOST_BYTES = 4 * 1024 * 1024
GOODBYE = 0.5


class WebSocketWire:
    """An open WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        """Send a text message.

        Raises:
            WireClosed: when the socket has ended.
        """
        try:
            await self._connection.send(text)
        except ConnectionClosed as e:
            raise WireClosed(cause_of_close(e.rcvd.code if e.rcvd else None)) from e

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            WireClosed: when the socket has ended.
        """
        try:
            return await self._connection.recv(decode=False)
        except ConnectionClosed as e:
            raise WireClosed(cause_of_close(e.rcvd.code if e.rcvd else None)) from e

    def reader(self) -> Callable[[], Awaitable[str | bytes]]:
        """The library's own method: a coroutine less for each message."""
        return partial(self._connection.recv, decode=False)

    def cause_of_end(self, error: Exception) -> Cause | None:
        """How the socket ended, from what `reader` raised; None when that is another error."""
        if not isinstance(error, ConnectionClosed):
            return None
        return cause_of_close(error.rcvd.code if error.rcvd else None)

    async def close(self, code: int) -> None:
        """Say goodbye, wait a moment for the answer, end."""
        try:
            async with asyncio.timeout(GOODBYE):
                await self._connection.close(code)
        except (TimeoutError, OSError):
            self.abort()

    def abort(self) -> None:
        """End without a word."""
        self._connection.transport.abort()


async def open_wire(url: str, headers: Mapping[str, str], tls: ssl.SSLContext | None) -> WebSocketWire:
    """Open a WebSocket; a proxy of the environment is used.

    Raises:
        AttemptError: when it cannot be opened.
    """
    try:
        connection = await connect(
            url,
            additional_headers=headers,
            user_agent_header="tailwire-python",
            compression=None,
            ping_interval=None,  # the heartbeat is the machine's
            open_timeout=None,  # the end of an attempt too
            close_timeout=GOODBYE,
            max_size=MOST_BYTES,
            ssl=(tls or True) if url.startswith("wss:") else None,
        )
    except InvalidStatus as e:
        raise _refused(e.response.status_code, e.response.headers.get("Retry-After")) from e
    except InvalidHandshake as e:
        raise AttemptError(Cause.BAD_ANSWER) from e
    except (OSError, EOFError) as e:
        raise AttemptError(cause_of_error(e)) from e
    return WebSocketWire(connection)


def _refused(status: int, retry_after: str | None) -> AttemptError:
    if status in (429, 502, 503, 504):
        return AttemptError(Cause.SERVER_BUSY, seconds_of(retry_after))
    return AttemptError(Cause.BAD_ANSWER)
