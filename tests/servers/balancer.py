"""A load balancer in front of several servers: new connections go to servers whose `/health/ready` answers 200."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from servers.several import SeveralServers

CHECK_SECONDS = 0.1
CHUNK_BYTES = 65_536


class Balancer:
    """Passes each TCP connection on to the ready server that has the fewest of them. Open connections stay in place.

    Attributes:
        url: where it listens.
        turns: the number of connections that were passed on to each server, by its port.
    """

    def __init__(self, several: SeveralServers) -> None:
        self._several = several
        self._open: dict[int, int] = {}
        self._ready: set[int] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.turns: dict[int, int] = {}
        self.url = ""

    async def __aenter__(self) -> Balancer:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        await self._check()
        self._checking = asyncio.create_task(self._check_again())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        self._checking.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait([self._checking, *self._tasks])

    async def _check_again(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await self._check()

    async def _check(self) -> None:
        ports = [server.port for server in self._several.servers if server.port]
        answers = await asyncio.gather(*(self._is_ready(port) for port in ports))
        self._ready = {port for port, ready in zip(ports, answers, strict=True) if ready}

    async def _is_ready(self, port: int) -> bool:
        try:
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                with contextlib.closing(writer):
                    writer.write(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    return b" 200 " in await reader.readline()
        except OSError:
            return False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.CancelledError):
            for port in sorted(self._ready, key=lambda port: self._open.get(port, 0)):
                with contextlib.suppress(OSError):
                    there = await asyncio.open_connection("127.0.0.1", port)
                    await self._join(port, reader, writer, *there)
                    break

    async def _join(
        self,
        port: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        self._open[port] = self._open.get(port, 0) + 1
        self.turns[port] = self.turns.get(port, 0) + 1
        try:
            await asyncio.gather(_copy(reader, to_server), _copy(from_server, writer))
        finally:
            self._open[port] -= 1
            to_server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()
