"""Several servers on one PostgreSQL database in the process of the test, whose parts it can look at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from tailwire.server.app.running import Parts, running_server
from tailwire.server.config import Settings
from tailwire.testing.server import UNLIMITED


class ServerHere:
    """A running server in the process of the test.

    Attributes:
        parts: the parts that it consists of.
        store: its store.
        url: where it listens.
        http: a client of its REST API, with the API key.
    """

    def __init__(self, parts: Parts, url: str, http: httpx2.AsyncClient) -> None:
        self.parts = parts
        self.store: Any = parts.store
        self.url = url
        self.http = http
        self._leaving: AsyncExitStack | None = None

    async def stop(self) -> None:
        """Stop the server, as SIGTERM would."""
        if self._leaving is not None:
            leaving, self._leaving = self._leaving, None
            await leaving.aclose()


class Together:
    """Starts servers that share a database and a data folder, and stops them at the end."""

    def __init__(self, folder: Path, url: str, **settings: Any) -> None:
        self._settings = {"data": str(folder / "data"), "database": url, **UNLIMITED, "overload_lag": 0.0, **settings}
        self._api_key = ""
        self.auth_key = ""
        self.servers: list[ServerHere] = []

    async def add(self) -> ServerHere:
        """Start another server."""
        stack = AsyncExitStack()
        server = await stack.enter_async_context(self._serve())
        server._leaving = stack
        self.servers.append(server)
        return server

    @asynccontextmanager
    async def _serve(self) -> AsyncIterator[ServerHere]:
        async with running_server(Settings(**{**self._settings, "port": 0})) as server:
            keys = server.parts.keys
            self._api_key, self.auth_key = self._api_key or keys.api_key, self.auth_key or keys.auth_key
            serving = asyncio.create_task(server.server.serve([server.listening]))
            await server.server.listening.wait()
            headers = {"appid": server.parts.store.app_id, "apikey": self._api_key}
            async with httpx2.AsyncClient(base_url=f"{server.url}/v3", headers=headers) as http:
                yield ServerHere(server.parts, server.url, http)
            server.server.should_exit = True
            await serving

    async def __aenter__(self) -> Together:
        return self

    async def __aexit__(self, *error: object) -> None:
        for server in self.servers:
            await server.stop()


async def until(condition: Any, seconds: float = 20.0) -> None:
    """Wait until a condition holds, which may be a coroutine function.

    Raises:
        TimeoutError: the condition does not hold in time.
    """
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.01)
