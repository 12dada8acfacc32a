"""A connection of the real server without a network: feed bytes and inspect the result."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from tailwire.server.app import Parts
from tailwire.server.gateway.protocol import SocketProtocol
from tailwire.server.telemetry.logs import log

MAX_TURNS = 200


class Wire(asyncio.Transport):
    """The server's transport of a connection; written bytes are counted."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.protocol: Any = None
        self.reading, self.closing, self.written = True, False, 0

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def write(self, data: Any) -> None:
        self.written += len(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Ignore the limits: nothing is buffered."""

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close


class Connections:
    """Connections of a server. Internal errors raise here instead of being logged."""

    def __init__(self, parts: Parts) -> None:
        ws: Any = partial(SocketProtocol, parts.gateway)
        self._parts = parts
        self._config = uvicorn.Config(parts.api, ws=ws, lifespan="off", log_config=None, access_log=False)
        self._config.load()
        self._faults: list[Any] = []

    def _fault(self, *_: Any, **__: Any) -> None:
        self._faults.append(sys.exc_info()[1])

    async def take(self, pieces: list[bytes]) -> Wire:
        """Feed a new connection its bytes, piece by piece as it reads, and close it.

        Raises:
            AssertionError: the server has had an internal error, or something is left of the connection.
        """
        log.exception = self._fault  # type: ignore[method-assign]
        try:
            return await self._take(pieces)
        finally:
            del log.exception

    async def _take(self, pieces: list[bytes]) -> Wire:
        loop, state, wire = asyncio.get_running_loop(), ServerState(), Wire()
        loop.set_exception_handler(lambda _, context: self._faults.append(context.get("exception") or context))
        wire.protocol = self._parts.http(config=self._config, server_state=state, app_state={}, _loop=loop)
        wire.protocol.connection_made(wire)
        for piece in pieces:
            for _ in range(MAX_TURNS):
                if wire.reading:
                    break
                await asyncio.sleep(0)
            if piece and wire.reading and not wire.closing:
                wire.protocol.data_received(piece)
            await self._work(state)
        if wire.reading and not wire.closing:
            wire.protocol.eof_received()
        wire.closing = True
        wire.protocol.connection_lost(None)
        await self._work(state)
        for task in list(state.tasks):
            task.cancel()
        await asyncio.sleep(0)
        if self._faults:
            raise AssertionError(f"a fault of the server: {self._faults.pop()!r}")
        if state.connections or wire.protocol in self._parts.gateway._sockets or self._parts.http.waiting:
            raise AssertionError("something is left of a connection that has ended")
        return wire

    async def _work(self, state: ServerState) -> None:
        # Complete requests are processed; a request that waits for its body is not awaited.
        for _ in range(4):
            await asyncio.sleep(0)
        pending = [*self._parts.gateway._tasks, *(t for t in state.tasks if self._parts.store.database.writer.busy)]
        if pending:
            await asyncio.wait(pending, timeout=1)
