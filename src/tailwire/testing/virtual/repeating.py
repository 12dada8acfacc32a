"""A proxy that keeps copies of the requests that pass through it, and delivers them to the server again on request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any

from tailwire.testing.virtual.middleboxes import Factory, headers_of

MAX_REQUEST_BYTES = 64 * 1024
"""Longer requests, such as uploads, are passed on without a copy; so is what follows on their connection."""


class Repeater:
    """A proxy that keeps copies of requests other than GET and HEAD. It is a middlebox for `Network.middleboxes`.

    Args:
        listener: returns the factory of the server's protocols and the context in which they run, as
            `Network.listener` does.

    Attributes:
        kept: the copies in order: method, path, and all bytes of the request.
        holding: whether such requests are kept but not passed on, so that they get no response.
    """

    def __init__(self, listener: Callable[[], tuple[Factory, Context]]) -> None:
        self._listener = listener
        self.kept: list[tuple[str, str, bytes]] = []
        self.holding = False

    def __call__(self, behind: Factory | None) -> Factory | None:
        """Return the factory of protocols for connections through the proxy; None if the server does not listen."""
        return None if behind is None else lambda: _Passing(self, behind())

    def deliver(self, request: bytes) -> asyncio.Future[bytes]:
        """Deliver a request to the server on a new connection, which is closed after the response.

        Args:
            request: all bytes of the request, as in `kept`.

        Returns:
            A future of the status line of the response.

        Raises:
            ConnectionRefusedError: the server does not listen.
        """
        factory, context = self._listener()
        return context.run(lambda: _Delivery(factory(), request).answered)


class _Passing(asyncio.Protocol):
    # Passes everything to the server, except for requests that are held back.
    def __init__(self, proxy: Repeater, server: Any) -> None:
        self._proxy = proxy
        self._server = server
        self._read: bytes | None = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._server.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._read is None:  # a WebSocket, or an upload
            self._server.data_received(data)
            return
        self._read += data
        while self._read and (size := _size(self._read)):
            request, self._read = self._read[:size], self._read[size:]
            if not self._keep(request):
                self._server.data_received(request)
        head = self._read[:MAX_REQUEST_BYTES].lower() if self._read else b""
        if b"\r\nupgrade: websocket" in head or len(self._read or b"") > MAX_REQUEST_BYTES:
            self._server.data_received(self._read)
            self._read = None

    def _keep(self, request: bytes) -> bool:
        # Returns whether the request is held back.
        method, path, _ = request.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)
        if method in ("GET", "HEAD"):
            return False
        self._proxy.kept.append((method, path, request))
        return self._proxy.holding

    def eof_received(self) -> Any:
        return self._server.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connection_lost(exc)

    def pause_writing(self) -> None:
        self._server.pause_writing()

    def resume_writing(self) -> None:
        self._server.resume_writing()


def _size(read: bytes) -> int:
    # Return the size of the first request; 0 until it is complete, and for an upgrade.
    head, end, _ = read.partition(b"\r\n\r\n")
    fields = {name: value for name, _, value in headers_of(head)}
    size = len(head) + 4 + int(fields.get(b"content-length", 0))
    complete = end and len(read) >= size and b"upgrade" not in fields
    return size if complete else 0


class _Delivery(asyncio.Transport):
    # The server's end of a connection whose client is the proxy.
    def __init__(self, server: Any, request: bytes) -> None:
        super().__init__()
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._server = server
        self._closing = False
        server.connection_made(self)
        server.data_received(request)

    def write(self, data: Any) -> None:
        if not self.answered.done():
            self.answered.set_result(bytes(data).partition(b"\r\n")[0])
            asyncio.get_running_loop().call_soon(self.close)

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._server.connection_lost(None)

    abort = close

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 3), "sockname": ("127.0.0.1", 1)}.get(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._server = protocol

    def get_protocol(self) -> Any:
        return self._server

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: written data is accepted at once."""

    def pause_reading(self) -> None:
        """Do nothing: the whole request was delivered at once."""

    def resume_reading(self) -> None:
        """Do nothing: the whole request was delivered at once."""

    def is_reading(self) -> bool:
        return True
