"""A second address, for `/metrics` and `/health`, which clients of the API need not reach."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import uvicorn

from tailwire.server.rest.api import Api

MAX_CONNECTIONS = 64


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the server of the API."""
        yield


class InternalServer:
    """Serves an API at a second address, in the event loop of the main server.

    Args:
        api: the ASGI app.
        listening: a socket that listens at that address. `stop` closes it.
        http: makes the protocol of a connection.
    """

    def __init__(self, api: Api, listening: socket.socket, http: Callable[..., asyncio.Protocol]) -> None:
        self._listening = listening
        config = uvicorn.Config(
            api, http=cast(Any, http), ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, proxy_headers=False, limit_concurrency=MAX_CONNECTIONS, timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """The URL at which this server listens."""
        host, port = self._listening.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self) -> None:
        """Start to accept connections."""
        work = self._server.serve([self._listening])
        self._task = asyncio.get_running_loop().create_task(work, name="tailwire metrics server")

    async def stop(self) -> None:
        """Stop accepting, wait up to a second for requests in progress, and close everything."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._listening.close()
