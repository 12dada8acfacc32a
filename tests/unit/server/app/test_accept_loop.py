"""New connections, on real sockets and virtual time: bursts are paced, and clients that cannot be accepted notice."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tailwire.server.app.accept_loop import ACCEPTS_PER_TURN, AcceptLoop
from tailwire.server.auth.certificate import self_signed
from tailwire.server.limits.pacer import Pacer
from tailwire.server.telemetry.metrics import Metrics

pytestmark = pytest.mark.virtual


class Greets(asyncio.Protocol):
    """Greets each connection, and keeps it."""

    def __init__(self, accepting: Accepting) -> None:
        self.accepting = accepting

    def connection_made(self, transport):
        self.accepting.came.append(asyncio.get_running_loop().time())
        self.accepting.transports.append(transport)
        transport.write(b"hello")


class Accepting:
    """A listening socket and its connections."""

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
        """Return clients that wait in the kernel's queue."""
        came = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(count)]
        for client in came:
            client.setblocking(False)
        self.clients += came
        return came

    async def __aenter__(self) -> Accepting:
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


def received_by(client: socket.socket) -> bytes | None:
    """Return what a client has received; None for nothing, b"" for the end."""
    try:
        return client.recv(100)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        return b""


async def test_burst_is_accepted_one_after_the_other_and_nothing_is_refused():
    async with Accepting(per_second=100) as accepting:
        begin = asyncio.get_running_loop().time()
        clients = accepting.connect(300)
        await asyncio.sleep(1)
        assert 95 <= len(accepting.came) <= 105
        assert all(received_by(client) is None for client in clients[110:])
        await asyncio.sleep(2.5)
        assert all(received_by(client) == b"hello" for client in clients)
        assert all(0.9 < came - begin - n / 100 + 1 < 1.1 for n, came in enumerate(accepting.came))
        (late,) = accepting.connect()
        await asyncio.sleep(0.01)
        assert received_by(late) == b"hello"


async def test_burst_without_a_rate_limit_is_accepted_a_few_connections_per_turn_of_the_loop():
    async with Accepting() as accepting:
        accepting.connect(200)
        turns = 0
        while len(accepting.came) < 200:
            before = len(accepting.came)
            await asyncio.sleep(0)
            turns += 1
            assert len(accepting.came) - before <= ACCEPTS_PER_TURN
            assert turns < 100


class Descriptors:
    """Descriptors that a test has taken, so that few or none are left for the server."""

    def __init__(self) -> None:
        self._taken: list[int] = []

    def take_all(self) -> None:
        with suppress(OSError):
            while True:
                self._taken.append(os.dup(0))

    def give_back(self, count: int | None = None) -> None:
        """Give back some of them; by default, all."""
        for _ in range(len(self._taken) if count is None else count):
            os.close(self._taken.pop())


@pytest.fixture
def descriptors() -> Iterator[Descriptors]:
    """Lower the limit of descriptors, so that a test can use them up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, hard))
    taken = Descriptors()
    yield taken
    taken.give_back()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors there")
async def test_client_is_closed_at_once_when_no_descriptor_is_left(descriptors, caplog):
    async with Accepting() as accepting:
        first = accepting.connect(3)
        descriptors.take_all()
        await asyncio.sleep(0.1)
        assert [received_by(client) for client in first] == [b""] * 3
        assert accepting.metrics.closes["no descriptor"] == 3
        assert [r.levelname for r in caplog.records] == ["WARNING"]  # one for all connections
        assert "Too many open files" in caplog.text
        descriptors.give_back(2)  # one for a client; the spare one was reopened
        (second,) = accepting.connect()
        await asyncio.sleep(0.1)
        assert received_by(second) == b"hello"
        assert accepting.metrics.closes["no descriptor"] == 3
        descriptors.give_back()
        (third,) = accepting.connect()
        await asyncio.sleep(0.1)
        assert received_by(third) == b"hello"


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors there")
async def test_close_leaves_no_descriptor_open():
    before = os.listdir("/proc/self/fd")
    async with Accepting() as accepting:
        accepting.connect(3)
        await asyncio.sleep(0.1)
        assert (
            len(os.listdir("/proc/self/fd")) == len(before) + 8
        )  # the listening socket, the spare one, and both ends of three
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors there")
async def test_connections_refused_for_lack_of_descriptors_are_paced(descriptors):
    async with Accepting(per_second=10) as accepting:
        clients = accepting.connect(8)
        descriptors.take_all()
        await asyncio.sleep(0.35)
        assert 3 <= [received_by(client) for client in clients].count(b"") <= 5
        await asyncio.sleep(1)
        assert [received_by(client) for client in clients] == [b""] * 8
        descriptors.give_back()


async def test_accepting_is_retried_after_a_second_when_the_system_is_out_of_descriptors(monkeypatch):
    async with Accepting() as accepting:
        accept_times: list[float] = []

        class NoRoom:  # a test cannot use up all descriptors of the system
            def accept(self) -> None:
                accept_times.append(asyncio.get_running_loop().time())
                raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))

            def fileno(self) -> int:
                return accepting.socket.fileno()

        monkeypatch.setattr(accepting.listener, "_listening", NoRoom())
        (client,) = accepting.connect()
        await asyncio.sleep(2.5)
        assert len(accept_times) == 3
        monkeypatch.undo()
        await asyncio.sleep(1)
        assert received_by(client) == b"hello"
        assert accepting.metrics.closes["no descriptor"] == 3


@pytest.fixture
def tls(tmp_path) -> ssl.SSLContext:
    """Create a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path, "127.0.0.1"))
    return context


async def test_connections_without_a_tls_handshake_are_closed(tls, caplog):
    async with Accepting(tls=tls) as accepting:
        wrong, silent, gone = accepting.connect(3)
        wrong.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        gone.close()
        await asyncio.sleep(1)
        assert received_by(wrong) != b"hello"
        assert received_by(silent) is None
        await asyncio.sleep(10)
        assert received_by(silent) == b""
        assert accepting.metrics.closes["no handshake"] == 3
        assert accepting.came == []
        assert caplog.text == ""


async def test_close_does_not_wait_for_pending_handshakes(tls):
    async with Accepting(tls=tls) as accepting:
        (silent,) = accepting.connect()
        await asyncio.sleep(1)
        begin = asyncio.get_running_loop().time()
        accepting.listener.close()
        await accepting.listener.wait_closed()
        assert asyncio.get_running_loop().time() - begin < 0.1
        assert "tailwire new connection" not in {task.get_name() for task in asyncio.all_tasks()}
        await asyncio.sleep(0.1)
        assert received_by(silent) == b""


async def test_no_connection_is_accepted_after_close_during_a_burst():
    async with Accepting(per_second=10) as accepting:
        accepting.connect(20)
        await asyncio.sleep(0.5)
        accepting.listener.close()
        before = len(accepting.came)
        assert 5 <= before <= 7
        await asyncio.sleep(5)
        assert len(accepting.came) == before
