"""A server process that has nothing left to import when it starts.

Half a second of processor time of each start is Python's, for a thousand modules, and the suite starts hundreds of
servers. So one process per process of the suite imports them once, and each server is a fork of it: `fork_server.py`.
A server that a test runs in another way, with another program or environment, is started as usual, and so are all
where Linux's `pidfd` is missing. How users start servers is shown by `e2e/test_commands.py` and the tests of `deploy`.
"""

from __future__ import annotations

import array
import asyncio
import functools
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tailwire.testing.new_database import put_new_database
from tailwire.testing.server import ServerProcess

PROGRAM = ["-m", "tailwire.cli.main"]
OURS = "TAILWIRE_"  # what may differ between the environments of two servers; other variables change Python itself


class ForkServer:
    """The process that forks servers. It ends when this process does."""

    def __init__(self) -> None:
        self.environment = dict(os.environ)
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("fork_server.py")), str(theirs.fileno())],
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def forks(self, environment: dict[str, str]) -> bool:
        """Return whether a fork can have this environment."""
        if self._process.poll() is not None:
            return False
        return _foreign(environment) == _foreign(self.environment)

    def request(self, arguments: list[str], environment: dict[str, str], stderr: int, status: int) -> None:
        """Ask for a server.

        Args:
            status: a descriptor to which the process id is written, and later the exit code.
        """
        wanted = {
            "arguments": arguments,
            "environment": environment,
            "folder": os.getcwd(),
            "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        }
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [stderr, status]))
        self._requests.sendmsg([json.dumps(wanted).encode()], [rights])


def _foreign(environment: dict[str, str]) -> dict[str, str]:
    # pytest sets its variable anew for each test.
    return {k: v for k, v in environment.items() if not k.startswith(OURS) and k != "PYTEST_CURRENT_TEST"}


@functools.cache
def _fork_server() -> ForkServer:
    return ForkServer()


class ForkedProcess:
    """What `ServerProcess` uses of `asyncio.subprocess.Process`, for a process that is a child of the fork server."""

    def __init__(self, pid: int, stderr: asyncio.StreamReader, status: asyncio.StreamReader) -> None:
        self.pid = pid
        self.stderr = stderr
        self.returncode: int | None = None
        self._ended = asyncio.create_task(self._wait(status))

    async def _wait(self, status: asyncio.StreamReader) -> int:
        self.returncode = int(await status.read())  # to its end, so that the pipe is closed
        return self.returncode

    def send_signal(self, signum: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self.returncode is None:
            os.kill(self.pid, signum)

    async def wait(self) -> int:
        """Wait until the process has ended, and return its exit code."""
        return await asyncio.shield(self._ended)


class PreparedServer(ServerProcess):
    """A server process, as a fork where that is possible. A new one on SQLite finds an empty database."""

    async def start(self) -> None:
        """Start, and wait until it listens."""
        if "TAILWIRE_DATABASE" not in self._settings and "--database" not in self._arguments:
            put_new_database(self.data / "tailwire.db")  # saves the migrations
        await super().start()

    async def _spawned(self, arguments: list[str], environment: dict[str, str]) -> Any:
        usual = arguments[: len(PROGRAM)] == PROGRAM and hasattr(os, "pidfd_open")
        if not usual or not _fork_server().forks(environment):
            return await super()._spawned(arguments, environment)
        (errors, their_errors), (status, their_status) = os.pipe(), os.pipe()
        try:
            _fork_server().request(arguments[len(PROGRAM) :], environment, their_errors, their_status)
        finally:
            os.close(their_errors)
            os.close(their_status)
        states = await _reader(status)
        return ForkedProcess(int(await states.readline()), await _reader(errors), states)


async def _reader(descriptor: int) -> asyncio.StreamReader:
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0))
    return reader
