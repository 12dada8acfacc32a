"""A cluster on this machine: PostgreSQL, a broker, servers, and Caddy in front of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cluster.machines import Database, Machine, Program, Server, caddy, nats


class Cluster:
    """Starts and kills the machines of a cluster.

    Args:
        folder: the folder of data and logs.
        servers: the number of servers.
        with_nats: whether a NATS server carries publications; otherwise PostgreSQL does.

    Attributes:
        machines: all machines, in the order in which they are started.
    """

    def __init__(self, folder: Path, *, servers: int = 2, with_nats: bool = False) -> None:
        self._folder = folder
        self._count = servers
        self._with_nats = with_nats
        self.database = Database()
        self.servers: list[Server] = []
        self.machines: list[Machine] = [self.database]
        self._proxy: Program | None = None

    @property
    def url(self) -> str:
        """The URL at which clients reach the cluster."""
        assert self._proxy is not None
        return f"http://127.0.0.1:{self._proxy.port}"

    async def start(self) -> None:
        """Start all machines."""
        await self.database.start()
        settings = {"TAILWIRE_DATABASE": self.database.url}
        if self._with_nats:
            broker = nats(self._folder)
            self.machines.append(broker)
            await broker.start()
            settings["TAILWIRE_BROKER"] = f"nats://127.0.0.1:{broker.port}"
        settings["TAILWIRE_TRUSTED_PROXIES"] = "127.0.0.1"
        self.servers = [Server(number, self._folder, settings) for number in range(1, self._count + 1)]
        self.machines += self.servers
        for server in self.servers:
            await server.start()
        self._proxy = caddy(self.servers, self._folder)
        self.machines.append(self._proxy)
        await self._proxy.start()

    async def close(self) -> None:
        """Kill all machines, and remove the database."""
        await asyncio.gather(*(machine.kill() for machine in reversed(self.machines) if machine.running))
        self.database.close()
