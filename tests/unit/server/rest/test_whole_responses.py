"""A response in one piece is one write; every other response is sent as uvicorn sends it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from tailwire.server.rest.asgi import respond
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


def connect_client(app: Any) -> tuple[HttpProtocol, Writes]:
    """Return a connection to an app, and the transport to its client."""
    config = uvicorn.Config(app, interface="asgi3", lifespan="off", log_config=None, access_log=False)
    config.load()
    protocol = HttpConnections()(config=config, server_state=ServerState(), app_state={})
    wire = Writes()
    protocol.connection_made(wire)
    return protocol, wire


async def wire_of(request: bytes, app: Any) -> Writes:
    """Return the transport after an app has responded to a request."""
    protocol, wire = connect_client(app)
    protocol.data_received(request)
    await asyncio.wait(protocol.tasks)
    ended = wire.closed
    protocol.connection_lost(None)  # which closes the transport as well
    wire.closed = ended
    return wire


async def answer_to(request: bytes, *headers: tuple[bytes, bytes]) -> Writes:
    """Return the transport after the response `{}`, with further headers, to a request."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, 200, b"{}", list(headers))

    return await wire_of(request, app)


GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
NAMED = (b"x-name", b"a")


async def test_whole_response_is_one_write():
    wire = await answer_to(GET, NAMED)
    (written,) = wire.writes
    head, body = written.split(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    assert (first, body) == (b"HTTP/1.1 200 OK", b"{}")
    expected = [b"content-length: 2", b"content-type: application/json", b"x-name: a", b"cache-control: no-store"]
    assert set(expected) < set(headers)
    assert not wire.closed


async def test_body_sent_in_several_asgi_messages_is_written_completely():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"he", "more_body": True})
        await send({"type": "http.response.body", "body": b"llo"})

    assert b"".join((await wire_of(GET, app)).writes) == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


async def test_response_to_head_has_no_body():
    written = b"".join((await answer_to(b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n", NAMED)).writes)
    assert b"\r\nx-name: a\r\n" in written
    assert written.endswith(b"\r\n\r\n")


async def test_connection_is_closed_after_the_response_if_the_client_asks_for_it():
    wire = await answer_to(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert b"connection: close\r\n" in b"".join(wire.writes)
    assert wire.closed


async def test_response_waits_for_a_client_that_does_not_read():
    waits = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        protocol.pause_writing()
        asyncio.get_running_loop().call_soon(waits.set)
        await respond(send, 200, b"{}", [])

    protocol, wire = connect_client(app)
    protocol.data_received(GET)
    answering = list(protocol.tasks)
    await waits.wait()
    assert wire.writes == []
    protocol.resume_writing()
    await asyncio.wait(answering)
    assert b"".join(wire.writes).endswith(b"\r\n\r\n{}")
    protocol.connection_lost(None)


@pytest.mark.parametrize("value", [b"x\r\nset-cookie: a=b", b"x\ny", b"x\ry"])
async def test_header_with_a_line_break_is_not_sent(value: bytes):
    wire = await answer_to(GET, (b"x-name", value))
    assert b"".join(wire.writes).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"x-name" not in b"".join(wire.writes)


async def test_nothing_is_written_after_the_client_has_left():
    left = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await left.wait()
        await respond(send, 200, b"{}", [])

    protocol, wire = connect_client(app)
    protocol.data_received(GET)
    answering = list(protocol.tasks)
    await asyncio.sleep(0)
    protocol.connection_lost(None)
    left.set()
    await asyncio.wait(answering)
    assert wire.writes == []
