"""A line between a server and its database or broker, which tests hold and cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable


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
        ways = ((reader, far_writer, self._there, bytes), (far_reader, writer, self._back, self.answer_filter()))
        for source, sink, gate, passed in ways:
            task = asyncio.create_task(self._forward(source, sink, gate, passed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def answer_filter(self) -> Callable[[bytes], bytes]:
        """Return a function for one connection: it takes the bytes that come back, and returns those to pass on."""
        return bytes

    async def _forward(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        gate: asyncio.Event,
        passed: Callable[[bytes], bytes],
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await gate.wait()
                sink.write(passed(data))
                await sink.drain()
        sink.close()
        self._writers.discard(sink)

    def hold(self) -> None:
        """Hold everything in both directions, without cutting it."""
        self._there.clear()
        self._back.clear()

    def hold_answers(self) -> None:
        """Hold only the bytes that come back."""
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
