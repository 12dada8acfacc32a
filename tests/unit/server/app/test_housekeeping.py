"""Stalled connections, on real sockets and virtual time: slow bodies, unread responses, too many connections."""

from __future__ import annotations

import asyncio
import json
import math
import socket
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from tailwire.server.app.accept_loop import AcceptLoop
from tailwire.server.app.housekeeping import Housekeeping
from tailwire.server.fanout.overload import Overload
from tailwire.server.limits.pacer import Pacer
from tailwire.server.limits.slots import ConnectionSlots
from tailwire.server.rest.protocol import HttpConnections, HttpProtocol
from tailwire.server.rest.stalls import WINDOW_SECONDS
from tailwire.server.telemetry.metrics import Metrics

pytestmark = pytest.mark.virtual

LARGE = 30_000_000
MIN_RATE = 256


class Server:
    """A server with the real housekeeping. It responds with the size of the body, or with a large body."""

    def __init__(self, most: int = 0, per_address: int = 0, per_second: float = 0) -> None:
        self.loop = asyncio.get_running_loop()
        self.metrics = Metrics()
        self.http = HttpConnections()
        self.state = ServerState()
        self.sizes: list[int] = []
        config = uvicorn.Config(self.app, interface="asgi3", lifespan="off", log_config=None, access_log=False)
        config.load()

        def make(address: str, slot: Any) -> HttpProtocol:
            made = self.http(config=config, server_state=self.state, app_state={})
            made.proxied_address, made.slot = address, slot
            return made

        self.listening = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.listening.setblocking(False)
        self.slots = ConnectionSlots(per_address)
        self.pacer = Pacer(per_second, math.inf, self.loop.time)
        self.listener = AcceptLoop(self.listening, make, self.pacer, self.metrics, slots=self.slots)
        overload = Overload(self.metrics, self.loop.time, lambda: 0.5, lag=0, most_sends=0)
        self.watch = Housekeeping(
            overload, self.metrics, self.http.waiting, self.http.idle, self.http.active, self.loop.time,
            deadline=10.0, min_rate=MIN_RATE, most=most, pacer=self.pacer,
        )  # fmt: skip
        self.clients: list[socket.socket] = []

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        self.sizes.append(size)
        body = b"x" * LARGE if scope["path"] == "/large" else b"%d" % size
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    async def ticks(self) -> None:
        while True:
            await self.watch.tick(len(self.state.connections))
            await asyncio.sleep(0.1)

    async def connect(self) -> socket.socket:
        client = socket.create_connection(self.listening.getsockname())
        client.setblocking(False)
        self.clients.append(client)
        return client

    async def begin(self, size: int) -> socket.socket:
        """Return a client that has sent the head of a request with a body."""
        client = await self.connect()
        await self.loop.sock_sendall(client, b"POST /in HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size)
        return client

    async def __aenter__(self) -> Server:
        self.ticking = asyncio.create_task(self.ticks())
        return self

    async def __aexit__(self, *error: Any) -> None:
        self.ticking.cancel()
        self.listener.close()
        self.listening.close()
        for client in self.clients:
            client.close()
        await asyncio.sleep(1)
        assert not self.state.connections
        assert self.http.waiting == self.http.active == self.http.idle == {}


async def trickle(server: Server, client: socket.socket, pieces: int, size: int, every: float) -> bool:
    """Send pieces at an interval. Return True if all could be sent."""
    for _ in range(pieces):
        try:
            await server.loop.sock_sendall(client, b"b" * size)
        except OSError:
            return False
        await asyncio.sleep(every)
    return True


async def everything(server: Server, client: socket.socket) -> bytes:
    """Return everything received until the end."""
    data = b""
    try:
        while some := await server.loop.sock_recv(client, 1 << 20):
            data += some
    except ConnectionResetError:
        pass
    return data


async def test_connection_whose_body_arrives_at_a_trickle_is_closed_within_two_windows():
    async with Server() as server:
        client = await server.begin(1000)
        begun = server.loop.time()
        sending = asyncio.create_task(trickle(server, client, 100, 1, 12.0))
        answer = await everything(server, client)
        assert server.loop.time() - begun <= 2 * WINDOW_SECONDS
        assert answer.startswith(b"HTTP/1.1 400 ")
        error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
        assert error["code"] == "ERR_BAD_REQUEST"
        assert "stalled" in error["details"]
        assert server.metrics.closes["too slow"] == 1
        assert not await sending
        assert server.sizes == []


async def test_stalled_body_ends_the_connection():
    async with Server() as server:
        client, begun = await server.begin(1000), server.loop.time()
        assert (await everything(server, client)).startswith(b"HTTP/1.1 400 ")
        assert WINDOW_SECONDS <= server.loop.time() - begun <= WINDOW_SECONDS + 5


async def test_upload_of_ten_minutes_over_a_slow_line_is_not_closed():
    async with Server() as server:
        client = await server.begin(600 * 1000)
        assert await trickle(server, client, 600, 1000, 1.0)  # 1 KB/s for ten minutes
        assert (await server.loop.sock_recv(client, 1000)).startswith(b"HTTP/1.1 200 ")
        assert server.sizes == [600_000]


async def test_upload_that_pauses_for_25_seconds_is_completed():
    async with Server() as server:
        client = await server.begin(40_000)
        await trickle(server, client, 1, 20_000, 25.0)
        await trickle(server, client, 1, 20_000, 0.1)
        assert (await server.loop.sock_recv(client, 1000)).startswith(b"HTTP/1.1 200 ")


async def test_response_that_is_not_read_ends_the_connection():
    async with Server() as server:
        client = await server.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await server.loop.sock_sendall(client, b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.sleep(3 * WINDOW_SECONDS)
        assert server.metrics.closes["too slow"] == 1
        assert not server.state.connections


async def test_response_with_connection_close_that_is_not_read_ends_the_connection():
    async with Server() as server:
        client = await server.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await server.loop.sock_sendall(client, b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        await asyncio.sleep(3 * WINDOW_SECONDS)
        assert not server.state.connections


async def test_slow_reader_receives_the_whole_response():
    async with Server() as server:
        client = await server.connect()
        await server.loop.sock_sendall(client, b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        size, begun = 0, server.loop.time()
        while some := await server.loop.sock_recv(client, 64 * 1024):
            size += len(some)
            await asyncio.sleep(1.0)
        assert size > LARGE
        assert server.loop.time() - begun > 300
        assert server.metrics.closes["too slow"] == 0


async def test_slowest_connections_are_closed_when_the_limit_is_exceeded():
    async with Server(most=20) as server:
        upload = await server.begin(10_000_000)
        uploading = asyncio.create_task(trickle(server, upload, 1000, 10_000, 0.1))  # 100 KB/s
        kept = await server.begin(1)
        await server.loop.sock_sendall(kept, b"x")
        assert (await server.loop.sock_recv(kept, 1000)).startswith(b"HTTP/1.1 200 ")
        await asyncio.sleep(2)
        slow = [await server.begin(1000) for _ in range(10)]
        sending = [asyncio.create_task(trickle(server, client, 3, 1, 2.0)) for client in slow]
        await asyncio.sleep(3)
        more = [await server.begin(1000) for _ in range(30)]
        sending += [asyncio.create_task(trickle(server, client, 3, 1, 2.0)) for client in more]
        await asyncio.sleep(3)
        assert len(server.state.connections) <= 20
        assert server.metrics.closes["slowest"] >= 21
        for _ in range(10):  # new connections are served
            client = await server.begin(1)
            await server.loop.sock_sendall(client, b"x")
            assert (await server.loop.sock_recv(client, 1000)).startswith(b"HTTP/1.1 200 ")
            client.close()
        assert await uploading
        assert 10_000_000 in server.sizes
        await asyncio.gather(*sending)


async def test_connections_are_accepted_half_as_fast_while_there_are_too_many():
    async with Server(most=50, per_second=100) as server:
        for _ in range(300):
            await server.begin(1000)
        accepted = []
        for _ in range(3):
            before = server.metrics.closes["slowest"] + len(server.state.connections)
            await asyncio.sleep(1)
            accepted.append(server.metrics.closes["slowest"] + len(server.state.connections) - before)
        assert 70 <= accepted[0] <= 80  # the first 50 at the full pace
        assert 48 <= accepted[1] <= 52
        assert 48 <= accepted[2] <= 52
        assert len(server.state.connections) <= 56
        for client in server.clients:
            client.close()
        await asyncio.sleep(2)  # none are left, and the pace is the normal one again
        for _ in range(45):
            await server.begin(1000)
        await asyncio.sleep(0.5)
        assert len(server.state.connections) == 45


async def test_connections_above_the_limit_of_an_address_are_closed_until_others_of_it_end():
    async with Server(per_address=5) as server:
        clients = [await server.connect() for _ in range(8)]
        await asyncio.sleep(0.2)
        assert len(server.state.connections) == 5
        assert server.metrics.closes["too many of one address"] == 3
        for client in clients[:5]:
            client.close()
        await asyncio.sleep(0.2)
        assert server.slots.count_taken("127.0.0.1") == 0
        again = await server.begin(1)
        await server.loop.sock_sendall(again, b"x")
        assert (await server.loop.sock_recv(again, 1000)).startswith(b"HTTP/1.1 200 ")
