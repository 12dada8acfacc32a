"""A response in one piece is sent by one write; every other response is sent as uvicorn sends it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from tailwire.server.rest.protocol import HttpConnections, HttpProtocol


class Writes(asyncio.Transport):
    """A transport that keeps each write."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def connected(app: Any) -> tuple[HttpProtocol, Writes]:
    """Return a connection to an app, and what is written to its client."""
    config = uvicorn.Config(app, interface="asgi3", lifespan="off", log_config=None, access_log=False)
    config.load()
    protocol = HttpConnections()(config=config, server_state=ServerState(), app_state={})
    wire = Writes()
    protocol.connection_made(wire)
    return protocol, wire


async def answered(request: bytes, headers: list[tuple[bytes, bytes]], *pieces: bytes) -> Writes:
    """Return what is written as the response to a request: these headers, and the body in these pieces."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, piece in enumerate(pieces, 1):
            await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})

    protocol, wire = connected(app)
    protocol.data_received(request)
    await asyncio.wait(protocol.tasks)
    ended = wire.closed
    protocol.connection_lost(None)  # which closes the transport as well
    wire.closed = ended
    return wire


GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
FIVE, PLAIN = (b"content-length", b"5"), (b"content-type", b"text/plain")


async def test_a_whole_response_is_one_write():
    wire = await answered(GET, [FIVE, PLAIN], b"hello")
    assert wire.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-type: text/plain\r\n\r\nhello"]
    assert not wire.closed


async def test_a_response_in_pieces_is_complete():
    wire = await answered(GET, [FIVE], b"he", b"llo")
    assert b"".join(wire.writes) == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


async def test_a_response_of_unknown_length_is_chunked():
    wire = await answered(GET, [PLAIN], b"hello")
    assert b"".join(wire.writes).endswith(b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")


async def test_head_gets_no_body():
    wire = await answered(b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n", [FIVE], b"hello")
    assert b"".join(wire.writes) == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"


async def test_the_connection_ends_where_the_client_asks_for_it():
    wire = await answered(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", [FIVE], b"hello")
    assert b"connection: close\r\n" in b"".join(wire.writes)
    assert wire.closed


@pytest.mark.parametrize("value", [b"x\r\nset-cookie: a=b", b"x\ny", b"x\ry"])
async def test_a_header_with_a_line_break_is_not_sent(value: bytes):
    wire = await answered(GET, [FIVE, (b"x-name", value)], b"hello")
    assert b"".join(wire.writes).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"x-name" not in b"".join(wire.writes)


async def test_the_connection_ends_after_a_length_that_differs_from_the_body():
    assert (await answered(GET, [FIVE], b"hi")).closed


async def test_nothing_is_written_after_the_client_has_left():
    left = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await left.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [FIVE]})
        await send({"type": "http.response.body", "body": b"hello"})

    protocol, wire = connected(app)
    protocol.data_received(GET)
    answering = list(protocol.tasks)
    await asyncio.sleep(0)
    protocol.connection_lost(None)
    left.set()
    await asyncio.wait(answering)
    assert wire.writes == []
