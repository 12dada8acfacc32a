"""A TCP proxy that can go wrong: it stands between a client and a server and cuts, swallows, delays or repeats."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType

from tailwire.testing.line.frames import ServerFrames


@dataclass(eq=False, slots=True)
class _Pair:
    """A connection: the client's end and the server's."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter

    def abort(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


class FaultProxy:
    """Forwards to a server until it is told otherwise.

    ```python
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        client = ... override_client_host(proxy.url) ...
        proxy.cut()
    ```

    Attributes:
        connections: how many connections it has taken since the start.
        delay: seconds by which everything is late, each way.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing = False
        self._half_open = False
        self._left: int | None = None
        self._repeats = 0
        self.delay = 0.0
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """How many connections there are now."""
        return len(self._pairs)

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._taken, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    def aim(self, port: int) -> None:
        """The server is at another port now."""
        self._target = (self._target[0], port)

    # What can go wrong.

    def cut(self) -> None:
        """The network is gone: connections are reset, new ones too, until `restore()`."""
        self.refuse()
        self.drop()

    def drop(self) -> None:
        """Reset the connections of now; new ones are taken."""
        for pair in list(self._pairs):
            pair.abort()

    def refuse(self) -> None:
        """New connections are reset, until `restore()`; those of now stay."""
        self._refusing = True

    def half_open(self) -> None:
        """Connections stay, and nothing passes any more, until `restore()`."""
        self._half_open = True

    def cut_mid_frame(self, after: int = 1) -> None:
        """The next frame of the server breaks off after so many bytes, and its connection ends.

        Over TLS, which it cannot look into, that is so with the next bytes of any kind.
        """
        self._left = after

    def duplicate(self, frames: int = 1) -> None:
        """The next text frames of the server come twice (not over TLS, which it cannot look into)."""
        self._repeats = frames

    def restore(self) -> None:
        """All is well again. What was swallowed stays lost: those connections are reset."""
        if self._half_open:
            self.drop()
        self._refusing = self._half_open = False
        self._left, self._repeats, self.delay = None, 0, 0.0

    # Forwarding.

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
        pair = _Pair(writer, there_writer)
        self._pairs.add(pair)
        for source, sink, frames in ((reader, there_writer, None), (there_reader, writer, ServerFrames())):
            task = asyncio.create_task(self._pump(source, sink, pair, frames))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, pair: _Pair, frames: ServerFrames | None
    ) -> None:
        try:
            while data := await source.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self._half_open:
                    continue
                if frames is None:
                    sink.write(data)
                elif not self._write_frames(sink, frames, data):
                    pair.server.transport.abort()
                    return
                await sink.drain()
        except OSError:
            sink.transport.abort()
        finally:
            self._pairs.discard(pair)
            sink.close()

    def _write_frames(self, sink: asyncio.StreamWriter, frames: ServerFrames, data: bytes) -> bool:
        # Whether the connection goes on.
        if self._left is not None and data[:1] == b"\x17":  # TLS
            left, self._left = self._left, None
            sink.write(data[:left])
            return False
        for piece, is_text in frames.feed(data):
            if is_text and self._left is not None:
                left, self._left = self._left, None
                sink.write(piece[:left])
                return False
            sink.write(piece)
            if is_text and self._repeats:
                self._repeats -= 1
                sink.write(piece)
        return True

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
