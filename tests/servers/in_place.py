"""PostgreSQL on virtual time: each call of a connection is made in a thread with a loop of its own, and waited for.

So a call of the database takes no virtual time, as on SQLite, and the order of everything else depends on the seed alone.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from servers.schema import prepare
from tailwire.server.store.postgres import leases, processes, store, upkeep
from tailwire.testing.virtual.loop import VirtualLoop
from tailwire.testing.virtual.world import VirtualServer

RENEW_SECONDS = 600.0  # of virtual time, which passes quickly, while the leases are on the clock of the database
_connect = asyncpg.connect


class ConnectionThread:
    """A thread with an event loop, in which real connections live."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._made: list[Any] = []  # including those that a killed server has left
        self._thread = threading.Thread(target=self.loop.run_forever, name="connections of tests", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Return the result of a coroutine that runs there."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def keep(self, real: Any) -> None:
        """Keep a connection until the end."""
        self._made.append(real)

    def close(self) -> None:
        """Close all connections, and end the thread."""

        async def end() -> None:
            for real in self._made:
                real.terminate()

        self.run(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class InPlaceConnection:
    """The part of a connection that the server uses. Notifications do not arrive: there is only one server."""

    def __init__(self, elsewhere: ConnectionThread, real: Any) -> None:
        self._elsewhere = elsewhere
        self._real = real
        elsewhere.keep(real)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._real, name)
        if not asyncio.iscoroutinefunction(method):
            return method

        async def call(*values: Any, **named: Any) -> Any:
            return self._elsewhere.run(method(*values, **named))

        return call

    @asynccontextmanager
    async def transaction(self, **named: Any) -> AsyncIterator[None]:
        """Hold a transaction within the context."""
        real = self._real.transaction(**named)
        self._elsewhere.run(real.start())
        try:
            yield
        except BaseException:
            self._elsewhere.run(real.rollback())
            raise
        self._elsewhere.run(real.commit())

    async def add_listener(self, channel: str, callback: Any) -> None:
        """Do nothing: notifications do not arrive."""

    def add_termination_listener(self, callback: Any) -> None:
        """Do nothing: the connection is not lost."""

    def terminate(self) -> None:
        """Close the connection at once."""

        async def end() -> None:
            self._real.terminate()

        self._elsewhere.run(end())


async def _end_lease(url: str, process: int) -> None:
    # As the clock of the database would after ten seconds: it stands still while virtual time passes.
    connection = await _connect(url)
    try:
        await connection.execute(
            "UPDATE processes SET until = clock_timestamp() - interval '1 s' WHERE id = $1", process
        )
    finally:
        await connection.close()


def install(patch: pytest.MonkeyPatch, folder: Path, url: str) -> ConnectionThread:
    """Let servers on virtual time connect in place. The caller closes the returned thread.

    Args:
        folder: the data folder of the stage's server.
        url: the database of virtual servers with that folder, unless their settings name one.
    """
    elsewhere = ConnectionThread()
    start, kill = VirtualServer.start, VirtualServer.kill
    killed: set[VirtualServer] = set()
    seeds: dict[VirtualServer, int] = {}  # two servers of a test share a database, and must not make the same secrets

    async def start_on_postgres(server: VirtualServer) -> None:
        if server not in seeds and seeds:
            server.world._random.seed(len(seeds))
        seeds.setdefault(server, len(seeds))
        if not server._settings.database and Path(server._settings.data) == folder:
            server._settings = replace(server._settings, database=url)
        await start(server)
        if server in killed and server.parts is not None:
            killed.remove(server)
            await server.parts.store.upkeep._renew()  # takes over from the killed process

    async def kill_on_postgres(server: VirtualServer) -> None:
        process = server.parts.store.lane.process if server.parts is not None else 0
        await kill(server)
        if process:
            killed.add(server)
            elsewhere.run(_end_lease(server._settings.database, process))

    patch.setattr(VirtualServer, "start", start_on_postgres)
    patch.setattr(VirtualServer, "kill", kill_on_postgres)

    def connect(*values: Any, **named: Any) -> Any:
        try:
            virtual = isinstance(asyncio.get_running_loop(), VirtualLoop)
        except RuntimeError:
            virtual = False
        if not virtual:
            return _connect(*values, **named)

        async def made() -> InPlaceConnection:
            async def make() -> Any:
                return await _connect(*values, **named)

            return InPlaceConnection(elsewhere, elsewhere.run(make()))

        return made()

    patch.setattr(asyncpg, "connect", connect)
    patch.setattr(store, "upgrade", lambda url, connect: prepare(url))
    patch.setattr(upkeep, "RENEW_SECONDS", RENEW_SECONDS)
    patch.setattr(leases, "LEASE_SECONDS", 4 * RENEW_SECONDS)
    patch.setattr(processes, "MAX_CLOCK_OFFSET_SECONDS", math.inf)  # virtual time begins in another year
    return elsewhere
