"""The running server on the event loops that there are."""

from __future__ import annotations

import asyncio
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


@pytest.mark.parametrize("loop", [asyncio.SelectorEventLoop, WatchesNoSocket])
def test_it_serves(loop, tmp_path):
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(_ask_for_health(tmp_path)) == b"HTTP/1.1 200 OK\r\n"
