"""Connections that do not move, on real sockets and virtual time: slow bodies, answers that nobody takes, no room."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from tailwire.server.app.listener import Listener
from tailwire.server.app.watch import Watch
from tailwire.server.fanout.overload import Overload
from tailwire.server.limits.pace import Pace
from tailwire.server.limits.places import Places
from tailwire.server.rest.protocol import HttpProtocol
from tailwire.server.rest.stalls import WINDOW_SECONDS
from tailwire.server.telemetry.metrics import Metrics

pytestmark = pytest.mark.virtual

LARGE = 30_000_000
LEAST = 256


class House:
    """Answers with the size of the body, or with much; watched as the server is."""

    def __init__(self, most: int = 0, per_address: int = 0) -> None:
        self.loop = asyncio.get_running_loop()
        self.metrics = Metrics()
        self.http = HttpProtocol.bound()
        self.state = ServerState()
        self.sizes: list[int] = []
        config = uvicorn.Config(self.app, interface="asgi3", lifespan="off", log_config=None, access_log=False)
        config.load()

        def make(address: str, place: Any) -> HttpProtocol:
            made = self.http(config=config, server_state=self.state, app_state={})
            made.named, made.place = address, place
            return made

        self.listening = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.listening.setblocking(False)
        self.places = Places(per_address)
        pace = Pace(0, 1.0, self.loop.time)
        self.listener = Listener(self.listening, make, pace, self.metrics, places=self.places)
        overload = Overload(self.metrics, self.loop.time, lambda: 0.5, lag=0, most_sends=0)
        self.watch = Watch(
            overload, self.metrics, self.http.waiting, self.http.idle, self.http.under_way, self.loop.time,
            deadline=10.0, least_rate=LEAST, most=most,
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
        """A client that sends the head of a request with a body."""
        client = await self.connect()
        await self.loop.sock_sendall(client, b"POST /in HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size)
        return client

    async def __aenter__(self) -> House:
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
        assert self.http.waiting == self.http.under_way == self.http.idle == {}


async def trickle(house: House, client: socket.socket, pieces: int, size: int, every: float) -> bool:
    """Send pieces, one every so often; whether all could be sent."""
    for _ in range(pieces):
        try:
            await house.loop.sock_sendall(client, b"b" * size)
        except OSError:
            return False
        await asyncio.sleep(every)
    return True


async def everything(house: House, client: socket.socket) -> bytes:
    """All that comes until the end."""
    data = b""
    try:
        while some := await house.loop.sock_recv(client, 1 << 20):
            data += some
    except ConnectionResetError:
        pass
    return data


async def test_a_byte_now_and_then_holds_no_connection():
    async with House() as house:
        client = await house.begin(1000)
        begun = house.loop.time()
        sending = asyncio.create_task(trickle(house, client, 100, 1, 12.0))
        answer = await everything(house, client)
        assert house.loop.time() - begun <= 2 * WINDOW_SECONDS
        assert answer.startswith(b"HTTP/1.1 400 ")
        error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
        assert error["code"] == "ERR_BAD_REQUEST"
        assert "stalled" in error["details"]
        assert house.metrics.closes["too slow"] == 1
        assert not await sending
        assert house.sizes == []


async def test_a_body_that_stops_is_given_up():
    async with House() as house:
        client, begun = await house.begin(1000), house.loop.time()
        assert (await everything(house, client)).startswith(b"HTTP/1.1 400 ")
        assert WINDOW_SECONDS <= house.loop.time() - begun <= WINDOW_SECONDS + 5


async def test_a_slow_line_is_waited_for_however_long_it_takes():
    async with House() as house:
        client = await house.begin(600 * 1000)
        assert await trickle(house, client, 600, 1000, 1.0)  # ten minutes of a kilobyte a second
        assert (await house.loop.sock_recv(client, 1000)).startswith(b"HTTP/1.1 200 ")
        assert house.sizes == [600_000]


async def test_a_line_that_is_dead_for_a_while_is_waited_for():
    async with House() as house:
        client = await house.begin(40_000)
        await trickle(house, client, 1, 20_000, 25.0)
        await trickle(house, client, 1, 20_000, 0.1)
        assert (await house.loop.sock_recv(client, 1000)).startswith(b"HTTP/1.1 200 ")


async def test_an_answer_that_nobody_takes_holds_no_connection():
    async with House() as house:
        client = await house.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await house.loop.sock_sendall(client, b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.sleep(3 * WINDOW_SECONDS)
        assert house.metrics.closes["too slow"] == 1
        assert not house.state.connections


async def test_neither_does_one_that_ends_with_the_connection():
    async with House() as house:
        client = await house.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await house.loop.sock_sendall(client, b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        await asyncio.sleep(3 * WINDOW_SECONDS)
        assert not house.state.connections


async def test_who_takes_an_answer_slowly_gets_all_of_it():
    async with House() as house:
        client = await house.connect()
        await house.loop.sock_sendall(client, b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        size, begun = 0, house.loop.time()
        while some := await house.loop.sock_recv(client, 64 * 1024):
            size += len(some)
            await asyncio.sleep(1.0)
        assert size > LARGE
        assert house.loop.time() - begun > 300
        assert house.metrics.closes["too slow"] == 0


async def test_when_it_is_full_the_slowest_make_room():
    async with House(most=20) as house:
        upload = await house.begin(10_000_000)
        uploading = asyncio.create_task(trickle(house, upload, 1000, 10_000, 0.1))  # 100 KB/s
        kept = await house.begin(1)
        await house.loop.sock_sendall(kept, b"x")
        assert (await house.loop.sock_recv(kept, 1000)).startswith(b"HTTP/1.1 200 ")
        await asyncio.sleep(2)
        slow = [await house.begin(1000) for _ in range(10)]
        sending = [asyncio.create_task(trickle(house, client, 3, 1, 2.0)) for client in slow]
        await asyncio.sleep(3)
        more = [await house.begin(1000) for _ in range(30)]
        sending += [asyncio.create_task(trickle(house, client, 3, 1, 2.0)) for client in more]
        await asyncio.sleep(3)
        assert len(house.state.connections) <= 20
        assert house.metrics.closes["slowest"] >= 21
        for _ in range(10):  # whoever comes is answered
            client = await house.begin(1)
            await house.loop.sock_sendall(client, b"x")
            assert (await house.loop.sock_recv(client, 1000)).startswith(b"HTTP/1.1 200 ")
            client.close()
        assert await uploading
        assert 10_000_000 in house.sizes
        await asyncio.gather(*sending)


async def test_an_address_has_so_many_connections_and_frees_them():
    async with House(per_address=5) as house:
        clients = [await house.connect() for _ in range(8)]
        await asyncio.sleep(0.2)
        assert len(house.state.connections) == 5
        assert house.metrics.closes["too many of one address"] == 3
        for client in clients[:5]:
            client.close()
        await asyncio.sleep(0.2)
        assert house.places.taken("127.0.0.1") == 0
        again = await house.begin(1)
        await house.loop.sock_sendall(again, b"x")
        assert (await house.loop.sock_recv(again, 1000)).startswith(b"HTTP/1.1 200 ")
