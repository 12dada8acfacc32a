"""A line between a server and its database or broker, which tests hold and cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

FIRST_BYTES = 4096


class CutLine:
    """A TCP proxy on this machine.

    Args:
        port: the port of the database or broker; 0 for a Unix socket.
        path: the path of that Unix socket.

    Attributes:
        port: where it listens.
    """

    def __init__(self, port: int = 0, path: str = "") -> None:
        self._to = port, path
        self._server: asyncio.Server | None = None
        self._there, self._back = asyncio.Event(), asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held = b""
        self.port = 0
        self.go_on()

    async def __aenter__(self) -> CutLine:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port, path = self._to
        try:
            far = await (asyncio.open_unix_connection(path) if path else asyncio.open_connection("127.0.0.1", port))
        except OSError:
            writer.close()
            return
        far_reader, far_writer = far
        self._writers |= {writer, far_writer}
        begun = bytearray()  # what was sent at first
        passed = self.answer_filter()

        async def request(data: bytes) -> bytes:
            begun.extend(data[: FIRST_BYTES - len(begun)])
            await self._there.wait()
            return data

        async def answer(data: bytes) -> bytes:
            if self._held in begun:
                await self._back.wait()
            return passed(data)

        for source, sink, gate in ((reader, far_writer, request), (far_reader, writer, answer)):
            task = asyncio.create_task(self._forward(source, sink, gate))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def answer_filter(self) -> Callable[[bytes], bytes]:
        """Return a function for one connection: it takes the bytes that come back, and returns those to pass on."""
        return bytes

    async def _forward(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        gate: Callable[[bytes], Awaitable[bytes]],
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(await gate(data))
                await sink.drain()
        sink.close()
        self._writers.discard(sink)

    def hold(self) -> None:
        """Hold everything in both directions, without cutting it."""
        self._there.clear()
        self.hold_answers()

    def hold_answers(self, begun_with: bytes = b"") -> None:
        """Hold only the bytes that come back.

        Args:
            begun_with: hold only those of connections that have it among the first bytes that they sent.
        """
        self._held = begun_with
        self._back.clear()

    def go_on(self) -> None:
        """Forward what was held, and everything after it."""
        self._there.set()
        self._back.set()

    def cut(self) -> None:
        """Cut all connections. What was held is lost."""
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()
