"""A TCP proxy that can go wrong: it stands between a client and a server and cuts, swallows or refuses."""

from __future__ import annotations

import asyncio
from types import TracebackType


class FaultProxy:
    """Forwards to a server until it is told otherwise.

    ```python
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        client = ... override_client_host(proxy.url) ...
        proxy.cut()
    ```

    Attributes:
        connections: how many connections it has taken since the start.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing = False
        self._swallowing = False
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._taken, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    def aim(self, port: int) -> None:
        """The server is at another port now."""
        self._target = (self._target[0], port)

    def cut(self) -> None:
        """The network is gone: connections are reset, new ones too, until `restore()`."""
        self._refusing = True
        self.drop()

    def drop(self) -> None:
        """Reset the connections of now; new ones are taken."""
        for pair in list(self._pairs):
            for writer in pair:
                writer.transport.abort()

    def swallow(self) -> None:
        """Half-open: connections stay, and nothing passes any more, until `restore()`."""
        self._swallowing = True

    def restore(self) -> None:
        """All is well again. What was swallowed stays lost: those connections are reset."""
        if self._swallowing:
            self.drop()
        self._refusing = self._swallowing = False

    async def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._refusing:
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, there_writer)
        self._pairs.add(pair)
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink, pair))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        try:
            while data := await source.read(65536):
                if not self._swallowing:
                    sink.write(data)
                    await sink.drain()
        except OSError:
            sink.transport.abort()
        finally:
            self._pairs.discard(pair)
            sink.close()

    async def close(self) -> None:
        """Reset everything and stop."""
        self.cut()
        if self._server is not None:
            self._server.close()
        while self._tasks:
            await asyncio.wait(list(self._tasks), timeout=1)
            for task in list(self._tasks):
                task.cancel()

    async def __aenter__(self) -> FaultProxy:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
