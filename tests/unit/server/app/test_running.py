"""The running server on each event loop."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tailwire.server.app import Running, running_server
from tailwire.server.config import Settings


class WatchesNoSocket(asyncio.SelectorEventLoop):
    """An event loop that cannot watch sockets, like the default one on Windows."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        raise NotImplementedError


@asynccontextmanager
async def _serving(folder: Path, **settings: Any) -> AsyncIterator[Running]:
    """Run a server, and stop it as a signal would."""
    async with running_server(Settings(data=str(folder), port=0, **settings)) as server:
        serving = asyncio.create_task(server.server.serve([server.listening]))
        await server.server.listening.wait()
        try:
            yield server
        finally:
            server.server.should_exit = True
            await serving


async def _ask_for_health(folder: Path) -> bytes:
    async with _serving(folder) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.listening.getsockname()[1])
        writer.write(b"GET /v3/health HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = await reader.readline()
        writer.close()
    return answer


def _spare_ones() -> int:
    """Return the number of spare descriptors."""
    links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
    return sum(os.readlink(link) == os.devnull for link in links if link.is_symlink())


@pytest.mark.virtual
async def test_connections_are_accepted_twice_as_fast_as_websockets(tmp_path):
    async with _serving(tmp_path, upgrades_per_second=5) as server:
        clients = [socket.create_connection(server.listening.getsockname()) for _ in range(30)]
        await asyncio.sleep(1)
        assert 9 <= len(server.server.server_state.connections) <= 12
        for client in clients:
            client.close()


@pytest.mark.virtual
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at descriptors there")
async def test_spare_descriptor_is_kept_until_the_server_stops(tmp_path):
    before = _spare_ones()
    async with _serving(tmp_path):
        assert _spare_ones() == before + 1
    assert _spare_ones() == before


@pytest.mark.parametrize("loop", [asyncio.SelectorEventLoop, WatchesNoSocket])
def test_server_runs_on_event_loops_that_can_and_that_cannot_watch_sockets(loop, tmp_path):
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(_ask_for_health(tmp_path)) == b"HTTP/1.1 200 OK\r\n"


def _is_closed(client: socket.socket) -> bool:
    """Return True if the server has closed a connection whose received bytes were all read."""
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


async def _connection_in_use(address: Any) -> socket.socket:
    """Return a connection that has received a response."""
    client = socket.create_connection(address)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, b"GET /v3/health HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (await loop.sock_recv(client, 4096)).startswith(b"HTTP/1.1 200")
    return client


@pytest.mark.virtual
@pytest.mark.parametrize(("settings", "kept"), [({}, 75), ({"keep_alive": 7.5}, 7.5)], ids=["default", "set"])
async def test_idle_connections_are_kept_for_the_set_time(tmp_path, settings, kept):
    """The server keeps connections for longer than the SDK (60 s)."""
    async with _serving(tmp_path, **settings) as server:
        client = await _connection_in_use(server.listening.getsockname())
        await asyncio.sleep(kept - 0.5)
        assert not _is_closed(client)
        await asyncio.sleep(1)
        assert _is_closed(client)
        client.close()


@pytest.mark.virtual
async def test_longest_idle_connections_are_closed_first(tmp_path):
    async with _serving(tmp_path, max_connections=5) as server:
        address = server.listening.getsockname()
        first = [await _connection_in_use(address) for _ in range(5)]
        await asyncio.sleep(1)
        assert [_is_closed(client) for client in first] == [False] * 5
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(first[0], b"GET /v3/health HTTP/1.1\r\nhost: x\r\n\r\n")  # its idle time starts again
        await loop.sock_recv(first[0], 4096)
        more = [await _connection_in_use(address) for _ in range(2)]
        await asyncio.sleep(1)
        assert [_is_closed(client) for client in first] == [False, True, True, False, False]
        assert [_is_closed(client) for client in more] == [False, False]
        assert server.parts.metrics.closes["idle"] == 2
        for client in first + more:
            client.close()
