"""The running server on the event loops that there are."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from tailwire.server.app import running
from tailwire.server.config import Settings


class WatchesNoSocket(asyncio.SelectorEventLoop):
    """As the loop of Windows."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        raise NotImplementedError


async def _ask_for_health(folder: Path) -> bytes:
    async with running(Settings(data=str(folder), port=0)) as server:
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
    """How many descriptors are kept in reserve."""
    links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
    return sum(os.readlink(link) == os.devnull for link in links if link.is_symlink())


@pytest.mark.virtual
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at descriptors there")
async def test_it_takes_connections_twice_as_fast_as_websockets_and_lets_go_of_all_when_it_stops(tmp_path):
    before = _spare_ones()
    async with running(Settings(data=str(tmp_path), port=0, upgrades_per_second=5)) as server:
        serving = asyncio.create_task(server.server.serve([server.listening]))
        await server.server.listening.wait()
        assert _spare_ones() == before + 1
        address = server.listening.getsockname()
        herd = [socket.create_connection(address) for _ in range(30)]
        await asyncio.sleep(1)
        assert 9 <= len(server.server.server_state.connections) <= 12
        for client in herd:
            client.close()
        server.server.should_exit = True
        await serving
    assert _spare_ones() == before


@pytest.mark.parametrize("loop", [asyncio.SelectorEventLoop, WatchesNoSocket])
def test_it_serves(loop, tmp_path):
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(_ask_for_health(tmp_path)) == b"HTTP/1.1 200 OK\r\n"


def _gone(client: socket.socket) -> bool:
    """Whether the server has closed a connection of which all that it sent was read."""
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


async def _asked(address: Any) -> socket.socket:
    """A connection that has had an answer."""
    client = socket.create_connection(address)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, b"GET /v3/health HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (await loop.sock_recv(client, 4096)).startswith(b"HTTP/1.1 200")
    return client


@pytest.mark.virtual
async def test_a_connection_is_kept_for_another_request_for_as_long_as_is_set(tmp_path):
    """The SDK keeps its own for 60 s: the server's is still there then."""
    for setting, kept in (({}, 75), ({"keep_alive": 7.5}, 7.5)):
        async with running(Settings(data=str(tmp_path), port=0, **setting)) as server:
            serving = asyncio.create_task(server.server.serve([server.listening]))
            await server.server.listening.wait()
            client = await _asked(server.listening.getsockname())
            await asyncio.sleep(kept - 0.5)
            assert not _gone(client)
            await asyncio.sleep(1)
            assert _gone(client)
            client.close()
            server.server.should_exit = True
            await serving


@pytest.mark.virtual
async def test_idle_connections_make_room_the_longest_idle_first(tmp_path):
    async with running(Settings(data=str(tmp_path), port=0, max_connections=5)) as server:
        serving = asyncio.create_task(server.server.serve([server.listening]))
        await server.server.listening.wait()
        address = server.listening.getsockname()
        first = [await _asked(address) for _ in range(5)]
        await asyncio.sleep(1)
        assert [_gone(client) for client in first] == [False] * 5
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(first[0], b"GET /v3/health HTTP/1.1\r\nhost: x\r\n\r\n")  # it is idle anew
        await loop.sock_recv(first[0], 4096)
        more = [await _asked(address) for _ in range(2)]
        await asyncio.sleep(1)
        assert [_gone(client) for client in first] == [False, True, True, False, False]
        assert [_gone(client) for client in more] == [False, False]
        assert server.parts.metrics.closes["idle"] == 2
        for client in first + more:
            client.close()
        server.server.should_exit = True
        await serving
