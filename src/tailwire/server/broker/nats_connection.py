"""One connection to a NATS server. It does not reconnect; when it is lost, what it has not sent is lost too."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from tailwire.server.broker.nats_protocol import (
    PING,
    PONG,
    Event,
    Info,
    Message,
    Parser,
    Ping,
    Pong,
    ProtocolError,
    ServerError,
    connect,
)

CONNECT_SECONDS = 5.0
CHECK_SECONDS = 2.0
"""Seconds between two pings to the server. When two are unanswered and a third is due, the connection is closed."""
MAX_UNSENT_BYTES = 16 * 1024 * 1024


class CannotConnect(OSError):
    """The server cannot be reached, or refuses this client."""


class Address(NamedTuple):
    """The address of a NATS server, and the credentials for it.

    Attributes:
        host, port: its name or IP address, and its TCP port.
        secure: True if the connection must be encrypted; False if it is encrypted only if the server requires it.
        user, password: the credentials; "" for none. They are ignored if there is a token.
        token: a token instead of user and password; "" for none.
    """

    host: str
    port: int
    secure: bool
    user: str = ""
    password: str = ""
    token: str = ""


class NatsConnection(asyncio.Protocol):
    """A connection to a NATS server, which `open` establishes.

    Args:
        on_message: called with the payload of each message, in the order in which the server sent them.
        on_lost: called once, when the connection is lost or closed, or `open` has failed.

    Attributes:
        max_payload: the largest payload in bytes that the server accepts; 0 if it names no limit.
        trouble: the last error that the server reported, or how its data violated the protocol; "" if there was none.
        lost: whether the connection is lost or closed.
    """

    def __init__(self, on_message: Callable[[bytes], None], on_lost: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._parser = Parser()
        self._transport: asyncio.Transport | None = None
        self._info: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._answers: deque[asyncio.Future[None]] = deque()
        self._unsent: list[bytes] = []
        self._unanswered = 0
        self._secure = False
        self._check: asyncio.TimerHandle | None = None
        self.max_payload = 0
        self.trouble = ""
        self.lost = False

    async def open(self, address: Address, context: ssl.SSLContext, name: str, version: str) -> None:
        """Connect, authenticate, and begin to check the connection with pings. Call this once.

        Args:
            address: the server. TLS is used if `address.secure`, or if the server requires it.
            context: the TLS context.
            name: the name of the client that NATS shows to its administrators.
            version: the version of the client.

        Raises:
            CannotConnect: the server cannot be reached within `CONNECT_SECONDS`, or refuses this client.
        """
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._loop.create_connection(lambda: self, address.host, address.port)
                info = await self._info
                await self._encrypt(address, info, context)
                self.max_payload = int(info.get("max_payload", 0))
                self._write(connect(_options(address, name, version, secure=self._secure)))
                await self.wait_confirmed()
        except (OSError, TimeoutError, ValueError) as e:
            self.abort()
            raise CannotConnect(f"{address.host}:{address.port}: {self.trouble or str(e) or type(e).__name__}") from e
        if self.lost:
            raise CannotConnect(f"{address.host}:{address.port}: {self.trouble or 'the connection was closed'}")
        self._check = self._loop.call_later(CHECK_SECONDS, self._send_ping)

    async def _encrypt(self, address: Address, info: dict[str, Any], context: ssl.SSLContext) -> None:
        self._secure = address.secure or bool(info.get("tls_required"))
        if not self._secure:
            return
        if not (info.get("tls_required") or info.get("tls_available")):
            raise ProtocolError("the server offers no TLS: use nats://, or configure TLS in the server")
        transport = self._transport
        if transport is None:
            raise ConnectionResetError("the connection was closed")
        self._transport = await self._loop.start_tls(transport, self, context, server_hostname=address.host)

    # `asyncio.Protocol`.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport. asyncio calls this when TCP is connected, and again after the TLS handshake."""
        self._transport = cast(asyncio.Transport, transport)  # transports of other event loops have another class

    def data_received(self, data: bytes) -> None:
        """Handle bytes from the server. Abort the connection if they do not follow the protocol."""
        try:
            for event in self._parser.feed(data):
                self._handle(event)
        except ProtocolError as e:
            self.trouble = str(e)
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Call `on_lost`, unless the end of the connection was already reported."""
        self._end()

    def _handle(self, event: Event) -> None:
        if isinstance(event, Message):
            if not self.lost:
                self._on_message(event.payload)
        elif isinstance(event, Ping):
            self._write(PONG)
        elif isinstance(event, Pong):
            self._unanswered = 0
            if self._answers and not (answer := self._answers.popleft()).done():
                answer.set_result(None)
        elif isinstance(event, Info):
            if not self._info.done():
                self._info.set_result(event.fields)
        elif isinstance(event, ServerError):
            self.trouble = event.text

    # Use.

    def send(self, *commands: bytes) -> bool:
        """Queue commands, which are sent at the end of this turn of the event loop.

        Returns:
            False if none was queued, because the connection is lost or has more than `MAX_UNSENT_BYTES` unsent.
        """
        transport = self._transport
        if self.lost or transport is None or transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            return False
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.extend(commands)
        return True

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent and not self.lost:
            self._write(b"".join(unsent))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def wait_confirmed(self) -> None:
        """Send a ping after all queued commands, and wait for its answer: the server has then handled these commands.

        Return also if the connection is lost.
        """
        if self.lost:
            return
        self._flush()
        answer: asyncio.Future[None] = self._loop.create_future()
        self._answers.append(answer)
        self._write(PING)
        await answer

    def _send_ping(self) -> None:
        if self._unanswered >= 2:
            self.abort()
            return
        self._unanswered += 1
        self._answers.append(self._loop.create_future())
        self._write(PING)
        self._check = self._loop.call_later(CHECK_SECONDS, self._send_ping)

    def close(self) -> None:
        """Close the connection after sending what is queued. Return at once."""
        self._flush()
        if self._transport is not None:
            self._transport.close()
        self._end()

    def abort(self) -> None:
        """Close the connection without sending what is queued."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    def _end(self) -> None:
        if self.lost:
            return
        self.lost = True
        self._unsent.clear()
        if self._check is not None:
            self._check.cancel()
        if not self._info.done():
            self._info.set_exception(ConnectionResetError("the connection was closed"))
            self._info.exception()  # retrieved here if nobody waits for it
        while self._answers:
            if not (answer := self._answers.popleft()).done():
                answer.set_result(None)
        self._on_lost()


def _options(address: Address, name: str, version: str, *, secure: bool) -> dict[str, Any]:
    options: dict[str, Any] = {
        "verbose": False, "pedantic": False, "tls_required": secure, "name": name, "lang": "python",
        "version": version, "protocol": 1, "echo": False, "headers": False, "no_responders": False,
    }  # fmt: skip
    if address.token:
        options["auth_token"] = address.token
    elif address.user:
        options |= {"user": address.user, "pass": address.password}
    return options
