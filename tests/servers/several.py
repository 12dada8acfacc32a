"""Several real server processes on one PostgreSQL database, for tests that kill, pause and restart them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType

from servers.prepared import PreparedServer
from tailwire.testing.server import ServerProcess


class SeveralServers:
    """Servers that share a database and the data folder with their keys.

    Args:
        folder: the folder for the data and for the ready files.
        url: the URL of the database.
        count: how many to start.
        settings: `TAILWIRE_*` variables of all servers.
        program: the arguments of Python that run a server, if it is not of this version.

    Attributes:
        servers: the processes, in the order of their start.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        count: int = 2,
        settings: dict[str, str] | None = None,
        program: list[str] | None = None,
    ) -> None:
        self._folder = folder
        self._program = program
        self._settings = {"TAILWIRE_DATABASE": url, **(settings or {})}
        self._count = count
        self.servers: list[ServerProcess] = []

    async def add(self) -> ServerProcess:
        """Start another server."""
        place = self._folder / f"server{len(self.servers)}"
        place.mkdir()
        server: ServerProcess = PreparedServer(place, self._settings, "--demo-users")
        server.data = self._folder / "data"
        server.program = self._program or server.program
        self.servers.append(server)
        await server.start()
        return server

    @property
    def tracebacks(self) -> list[str]:
        """The lines in the logs of all servers that begin a traceback."""
        return [line for server in self.servers for line in server.log if "Traceback" in line]

    async def __aenter__(self) -> SeveralServers:
        for _ in range(self._count):
            await self.add()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(server.kill() for server in self.servers))
        if error is not None:
            for number, server in enumerate(self.servers):
                print("\n".join([f"--- server {number}", *server.log[-40:]]))
