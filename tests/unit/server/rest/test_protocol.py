"""Limits of an HTTP connection before authentication, and responses that do not depend on how the input is split."""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from tailwire.server.rest.protocol import CHUNK_BYTES, KEEP_ALIVE_SECONDS, MAX_HEAD_BYTES, HttpConnections, HttpProtocol
from tailwire.testing.virtual.loop import virtual_run
from tailwire.testing.virtual.world import virtual_loop

PORT = 80


class Answers(asyncio.Protocol):
    """A client that stores the responses."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.data = b""
        self.ended = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.set()

    def bodies(self) -> list[bytes]:
        """Return the bodies of the responses, in order."""
        found: list[bytes] = []

        class Parser:
            def on_message_begin(self) -> None:
                found.append(b"")

            def on_body(self, body: bytes) -> None:
                found[-1] += body

        httptools.HttpResponseParser(Parser()).feed_data(self.data)
        return found


class Server:
    """Responds to each request with its path and the size of its body, after `takes` seconds."""

    def __init__(self, takes: float = 0.0, reads: bool = True) -> None:
        self.takes, self.reads = takes, reads
        self.made: list[HttpProtocol] = []
        self.most_waiting = 0
        self.begun = 0
        config = uvicorn.Config(self.app, interface="asgi3", lifespan="off", log_config=None, access_log=False)
        config.load()
        self.protocol = HttpConnections()
        state = ServerState()

        def accept() -> HttpProtocol:
            self.made.append(self.protocol(config=config, server_state=state, app_state={}))
            return self.made[-1]

        virtual_loop().network.listen(PORT, accept)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun += 1
        self.most_waiting = max(self.most_waiting, *(len(p.pipeline) for p in self.made))
        size, more = 0, self.reads
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        await asyncio.sleep(self.takes)
        body = f"{scope['path']} {size}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


async def connect_client() -> Answers:
    _, client = await virtual_loop().create_connection(Answers, "server", PORT)
    return client


def request(number: int, body: bytes | None, chunked: bool) -> bytes:
    """Return a request; without a body if `body` is None."""
    head = f"POST /{number} HTTP/1.1\r\nhost: x\r\n".encode()
    if body is None:
        return head + b"\r\n"
    if not chunked:
        return head + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (body[:700], body[700:]) if p)
    return head + b"transfer-encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"


bodies = st.one_of(st.none(), st.integers(0, 6000).map(lambda n: b"b" * n))


@settings(deadline=None)
@given(st.lists(st.tuples(bodies, st.booleans()), min_size=1, max_size=25), st.lists(st.integers(1, 9000), max_size=8))
def test_responses_do_not_depend_on_how_requests_are_split(requests, cuts):
    async def main() -> None:
        server, client = Server(), await connect_client()
        data = b"".join(request(n, body, chunked) for n, (body, chunked) in enumerate(requests))
        for cut in cuts:
            client.transport.write(data[:cut])
            data = data[cut:]
            await asyncio.sleep(0.001)
        client.transport.write(data)
        await asyncio.sleep(2)
        expected = [f"/{n} {len(body or b'')}".encode() for n, (body, _) in enumerate(requests)]
        assert client.bodies() == expected
        assert server.protocol.waiting == {}
        client.transport.close()
        await asyncio.sleep(1)

    virtual_run(main())


@pytest.mark.virtual
async def test_pipelined_requests_are_not_buffered_without_limit():
    server, client = Server(takes=0.01), await connect_client()
    client.transport.write(request(1, None, False) * 20_000)
    await asyncio.sleep(5)
    assert 450 <= server.begun <= 500  # one after the other
    (protocol,) = server.made
    assert server.most_waiting <= CHUNK_BYTES / len(request(1, None, False)) + 1
    assert not protocol.transport.is_reading()
    client.transport.abort()
    await asyncio.sleep(1)


@pytest.mark.virtual
async def test_small_pipelined_writes_are_not_buffered_without_limit():
    server, client = Server(takes=0.01), await connect_client()
    for _ in range(2000):
        client.transport.write(request(1, None, False) * 5)
        await asyncio.sleep(0.001)
    assert 150 <= server.begun <= 250
    assert server.most_waiting <= 2 * CHUNK_BYTES / len(request(1, None, False)) + 1
    client.transport.abort()
    await asyncio.sleep(1)


@pytest.mark.virtual
async def test_endless_head_is_refused():
    server, client = Server(), await connect_client()
    client.transport.write(b"GET /1 HTTP/1.1\r\nhost: x\r\ncookie: ")
    for _ in range(MAX_HEAD_BYTES // 10_000 + 1):
        assert not client.ended.is_set()
        client.transport.write(b"x" * 10_000)
        await asyncio.sleep(0.1)
    await client.ended.wait()
    assert client.data.startswith(b"HTTP/1.1 431 ")
    assert b'"code":"ERR_TOO_LARGE"' in client.data
    assert server.begun == 0
    assert server.protocol.waiting == {}


@pytest.mark.virtual
async def test_large_heads_are_served_even_after_many_requests():
    server, client = Server(), await connect_client()
    large = b"GET /large HTTP/1.1\r\nhost: x\r\ncookie: " + b"x" * (MAX_HEAD_BYTES - 2000) + b"\r\n\r\n"
    client.transport.write(request(1, b"y" * 90_000, False) + request(2, None, False) * 30 + large)
    await asyncio.sleep(2)
    assert client.bodies() == [b"/1 90000", *[b"/2 0"] * 30, b"/large 0"]
    assert server.begun == 32
    client.transport.close()
    await asyncio.sleep(1)


@pytest.mark.virtual
async def test_unread_body_is_not_buffered_without_limit():
    server, client = Server(takes=60, reads=False), await connect_client()
    client.transport.write(request(1, b"y" * 5_000, False)[:200])
    for _ in range(100):
        client.transport.write(b"y" * 200_000)
        await asyncio.sleep(0.01)
    (protocol,) = server.made
    assert len(protocol.cycle.body) <= 200_000 + 65_536
    assert not protocol.transport.is_reading()
    client.transport.abort()
    await asyncio.sleep(100)


@pytest.mark.virtual
async def test_connections_without_a_complete_request_head_are_listed_longest_wait_first():
    server = Server(takes=1)
    silent, half, asking, ended = [await connect_client() for _ in range(4)]
    half.transport.write(b"POST /1 HT")
    asking.transport.write(request(1, None, False))
    ended.transport.abort()
    await asyncio.sleep(0.5)
    assert [server.made.index(p) for p in server.protocol.waiting] == [0, 1]
    assert list(server.protocol.waiting.values()) == sorted(server.protocol.waiting.values())
    await asyncio.sleep(1)  # answered
    assert len(server.protocol.waiting) == 2
    assert [server.made.index(p) for p in server.protocol.idle] == [2]
    asking.transport.write(b"PO")  # and no longer runs
    await asyncio.sleep(0.1)
    assert [server.made.index(p) for p in server.protocol.waiting] == [0, 1, 2]
    for client in (silent, half, asking):
        client.transport.abort()
    await asyncio.sleep(1)
    assert server.protocol.waiting == server.protocol.idle == {}


@pytest.mark.virtual
async def test_connection_is_closed_when_it_was_idle_for_too_long():
    server = Server()
    unused = [await connect_client() for _ in range(30)]
    for client in unused:
        client.transport.write(request(1, None, False))
    await asyncio.sleep(KEEP_ALIVE_SECONDS / 2)
    used = unused.pop(7)
    used.transport.write(request(2, None, False))
    await asyncio.sleep(KEEP_ALIVE_SECONDS / 2 - 1)
    assert not any(client.ended.is_set() for client in (*unused, used))
    await asyncio.sleep(2)
    assert all(client.ended.is_set() for client in unused)
    assert not used.ended.is_set()
    await asyncio.sleep(KEEP_ALIVE_SECONDS / 2)
    assert used.ended.is_set()
    assert server.protocol.idle == {}
    assert virtual_loop().pending_timers() == []


@pytest.mark.virtual
async def test_connection_is_not_closed_while_its_response_is_being_made():
    server, client = Server(takes=3 * KEEP_ALIVE_SECONDS), await connect_client()
    client.transport.write(request(1, None, False))
    await asyncio.sleep(3 * KEEP_ALIVE_SECONDS + 1)
    assert client.bodies() == [b"/1 0"]
    client.transport.write(request(2, None, False))
    await asyncio.sleep(3 * KEEP_ALIVE_SECONDS - 1)
    assert server.begun == 2
    assert not client.ended.is_set()
    client.transport.abort()
    await asyncio.sleep(1)


@pytest.mark.virtual
async def test_connections_that_have_ended_leave_no_timer():
    server, clients = Server(), [await connect_client() for _ in range(3)]
    for client in clients:
        client.transport.write(request(1, None, False))
    await asyncio.sleep(1)
    assert len(server.protocol.idle) == 3
    for client in clients:
        client.transport.abort()
    await asyncio.sleep(1)
    assert virtual_loop().pending_timers() == []
