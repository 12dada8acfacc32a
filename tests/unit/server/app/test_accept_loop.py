"""New connections, on real sockets and virtual time: a herd waits its turn, and whoever cannot be taken is told."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tailwire.server.app.accept_loop import ACCEPTS_PER_TURN, AcceptLoop
from tailwire.server.auth.certificate import self_signed
from tailwire.server.limits.pacer import Pacer
from tailwire.server.telemetry.metrics import Metrics

pytestmark = pytest.mark.virtual


class Greets(asyncio.Protocol):
    """Says hello to each, and keeps them."""

    def __init__(self, door: Door) -> None:
        self.door = door

    def connection_made(self, transport):
        self.door.came.append(asyncio.get_running_loop().time())
        self.door.transports.append(transport)
        transport.write(b"hello")


class Door:
    """A listening socket and whoever came."""

    def __init__(self, per_second: float = 0, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]
        self.came: list[float] = []
        self.transports: list[asyncio.Transport] = []
        self.clients: list[socket.socket] = []
        self.metrics = Metrics()
        pacer = Pacer(per_second, float("inf"), asyncio.get_running_loop().time)
        self.listener = AcceptLoop(self.socket, lambda *_: Greets(self), pacer, self.metrics, tls, 10.0)

    def connect(self, count: int = 1) -> list[socket.socket]:
        """Clients that wait in the system's queue."""
        came = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(count)]
        for client in came:
            client.setblocking(False)
        self.clients += came
        return came

    async def __aenter__(self) -> Door:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.listener.close()
        self.listener.close()  # uvicorn does so too
        for client in self.clients:
            client.close()
        await self.listener.wait_closed()
        for transport in self.transports:
            transport.abort()
        self.socket.close()
        await asyncio.sleep(0.1)


def heard(client: socket.socket) -> bytes | None:
    """What a client has been told; None for nothing, b"" for the end."""
    try:
        return client.recv(100)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        return b""


async def test_a_herd_is_taken_one_after_the_other_and_nobody_is_sent_away():
    async with Door(per_second=100) as door:
        begin = asyncio.get_running_loop().time()
        herd = door.connect(300)
        await asyncio.sleep(1)
        assert 95 <= len(door.came) <= 105
        assert all(heard(client) is None for client in herd[110:])
        await asyncio.sleep(2.5)
        assert all(heard(client) == b"hello" for client in herd)
        assert all(0.9 < came - begin - n / 100 + 1 < 1.1 for n, came in enumerate(door.came))
        (late,) = door.connect()
        await asyncio.sleep(0.01)
        assert heard(late) == b"hello"


async def test_without_a_limit_others_have_their_turn_between():
    async with Door() as door:
        door.connect(200)
        turns = 0
        while len(door.came) < 200:
            before = len(door.came)
            await asyncio.sleep(0)
            turns += 1
            assert len(door.came) - before <= ACCEPTS_PER_TURN
            assert turns < 100


@pytest.fixture
def take_all() -> Iterator[Callable[[], list[int]]]:
    """Takes all descriptors that are left, of few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, hard))

    def take() -> list[int]:
        taken: list[int] = []
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        return taken

    yield take
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors there")
async def test_who_comes_when_no_descriptor_is_left_knows_at_once(take_all, caplog):
    async with Door() as door:
        first = door.connect(3)
        taken = take_all()
        await asyncio.sleep(0.1)
        assert [heard(client) for client in first] == [b""] * 3
        assert door.metrics.closes["no descriptor"] == 3
        assert [r.levelname for r in caplog.records] == ["WARNING"]  # once, not for each
        assert "Too many open files" in caplog.text
        os.close(taken.pop())  # the spare one was opened again: this is for a client
        os.close(taken.pop())
        (second,) = door.connect()
        await asyncio.sleep(0.1)
        assert heard(second) == b"hello"
        assert door.metrics.closes["no descriptor"] == 3
        for descriptor in taken:
            os.close(descriptor)
        (third,) = door.connect()
        await asyncio.sleep(0.1)
        assert heard(third) == b"hello"


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors there")
async def test_nothing_stays_open():
    before = os.listdir("/proc/self/fd")
    async with Door() as door:
        door.connect(3)
        await asyncio.sleep(0.1)
        assert len(os.listdir("/proc/self/fd")) == len(before) + 8  # the door, the spare one, and both ends of three
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors there")
async def test_those_who_are_sent_away_have_their_turns_too(take_all):
    async with Door(per_second=10) as door:
        clients = door.connect(8)
        taken = take_all()
        await asyncio.sleep(0.35)
        assert 3 <= [heard(client) for client in clients].count(b"") <= 5
        await asyncio.sleep(1)
        assert [heard(client) for client in clients] == [b""] * 8
        for descriptor in taken:
            os.close(descriptor)


async def test_when_the_machine_has_no_room_it_is_asked_again_a_second_later(monkeypatch):
    async with Door() as door:
        asked: list[float] = []

        class NoRoom:  # a machine that has none is not to be had
            def accept(self) -> None:
                asked.append(asyncio.get_running_loop().time())
                raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))

            def fileno(self) -> int:
                return door.socket.fileno()

        monkeypatch.setattr(door.listener, "_listening", NoRoom())
        (client,) = door.connect()
        await asyncio.sleep(2.5)
        assert len(asked) == 3
        monkeypatch.undo()
        await asyncio.sleep(1)
        assert heard(client) == b"hello"
        assert door.metrics.closes["no descriptor"] == 3


@pytest.fixture
def tls(tmp_path) -> ssl.SSLContext:
    """A certificate of our own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path, "127.0.0.1"))
    return context


async def test_what_is_no_tls_is_let_go_and_so_is_who_does_not_shake_hands(tls, caplog):
    async with Door(tls=tls) as door:
        wrong, silent, gone = door.connect(3)
        wrong.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        gone.close()
        await asyncio.sleep(1)
        assert heard(wrong) != b"hello"
        assert heard(silent) is None
        await asyncio.sleep(10)
        assert heard(silent) == b""
        assert door.metrics.closes["no handshake"] == 3
        assert door.came == []
        assert caplog.text == ""


async def test_a_stop_does_not_wait_for_who_does_not_shake_hands(tls):
    async with Door(tls=tls) as door:
        (silent,) = door.connect()
        await asyncio.sleep(1)
        begin = asyncio.get_running_loop().time()
        door.listener.close()
        await door.listener.wait_closed()
        assert asyncio.get_running_loop().time() - begin < 0.1
        assert "tailwire new connection" not in {task.get_name() for task in asyncio.all_tasks()}
        await asyncio.sleep(0.1)
        assert heard(silent) == b""


async def test_closed_while_a_herd_waits_it_takes_no_more():
    async with Door(per_second=10) as door:
        door.connect(20)
        await asyncio.sleep(0.5)
        door.listener.close()
        before = len(door.came)
        assert 5 <= before <= 7
        await asyncio.sleep(5)
        assert len(door.came) == before
