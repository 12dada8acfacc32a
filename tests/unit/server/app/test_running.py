"""The running server on each event loop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tailwire.server.app import running_server
from tailwire.server.config import Settings


class WatchesNoSocket(asyncio.SelectorEventLoop):
    """An event loop that cannot watch sockets, like the default one on Windows."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        raise NotImplementedError


async def _ask_for_health(folder: Path) -> bytes:
    async with running_server(Settings(data=str(folder), port=0)) as server:
        serving = asyncio.create_task(server.server.serve([server.listening]))
        await server.server.listening.wait()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.listening.getsockname()[1])
        writer.write(b"GET /v3/health HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = await reader.readline()
        writer.close()
        server.server.should_exit = True
        await serving
    return answer


def _spare_ones() -> int:
    """Return the number of spare descriptors."""
    links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
    return sum(os.readlink(link) == os.devnull for link in links if link.is_symlink())


@pytest.mark.virtual
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at descriptors there")
async def test_connections_are_accepted_twice_as_fast_as_websockets_and_closed_at_shutdown(tmp_path):
    before = _spare_ones()
    async with running_server(Settings(data=str(tmp_path), port=0, upgrades_per_second=5)) as server:
        serving = asyncio.create_task(server.server.serve([server.listening]))
        await server.server.listening.wait()
        assert _spare_ones() == before + 1
        address = server.listening.getsockname()
        clients = [socket.create_connection(address) for _ in range(30)]
        await asyncio.sleep(1)
        assert 9 <= len(server.server.server_state.connections) <= 12
        for client in clients:
            client.close()
        server.server.should_exit = True
        await serving
    assert _spare_ones() == before


@pytest.mark.parametrize("loop", [asyncio.SelectorEventLoop, WatchesNoSocket])
def test_server_runs_on_each_event_loop(loop, tmp_path):
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
async def test_idle_connections_are_kept_for_the_set_time(tmp_path):
    """The server keeps connections for longer than the SDK (60 s)."""
    for setting, kept in (({}, 75), ({"keep_alive": 7.5}, 7.5)):
        async with running_server(Settings(data=str(tmp_path), port=0, **setting)) as server:
            serving = asyncio.create_task(server.server.serve([server.listening]))
            await server.server.listening.wait()
            client = await _connection_in_use(server.listening.getsockname())
            await asyncio.sleep(kept - 0.5)
            assert not _is_closed(client)
            await asyncio.sleep(1)
            assert _is_closed(client)
            client.close()
            server.server.should_exit = True
            await serving


@pytest.mark.virtual
async def test_longest_idle_connections_are_closed_first(tmp_path):
    async with running_server(Settings(data=str(tmp_path), port=0, max_connections=5)) as server:
        serving = asyncio.create_task(server.server.serve([server.listening]))
        await server.server.listening.wait()
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
        server.server.should_exit = True
        await serving


@pytest.mark.virtual
async def test_server_that_is_asked_to_stop_twice_while_it_drains_still_finishes_its_requests(tmp_path):
    async with running_server(Settings(data=str(tmp_path), port=0, drain_seconds=3)) as server:
        for _ in range(2):
            server.server.handle_exit(signal.SIGINT, None)
        assert server.server.should_exit
        await asyncio.sleep(4)
        assert not server.server.force_exit
