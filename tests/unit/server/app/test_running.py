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
        await server.server.listens.wait()
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
        await server.server.listens.wait()
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
