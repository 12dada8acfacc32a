"""Servers and commands, in processes of their own that have nothing left to import when they start.

Half a second of processor time of each start is Python's, for a thousand modules, and the suite starts hundreds of
processes. So one process per process of the suite imports them once, and the others are its forks: `fork_server.py`.
What a test runs in another way, with another program or environment, is started as usual, and so is everything where
Linux's `pidfd` is missing. How users start servers and commands is shown by `e2e/test_commands.py`.
"""

from __future__ import annotations

import array
import asyncio
import atexit
import functools
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from tailwire.testing.new_database import put_new_database
from tailwire.testing.server import ServerProcess

PROGRAM = ["-m", "tailwire.cli.main"]
AT_THE_START = ("PYTHON", "LD_", "MALLOC_", "LC_", "LANG", "TZ")
"""How the names of variables begin that only a new process reads. A fork reads all others like a new process."""


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

    def can_fork(self, environment: dict[str, str]) -> bool:
        """Return whether a fork can have this environment."""
        if self._process.poll() is not None:
            return False
        return _read_at_the_start(environment) == _read_at_the_start(self.environment)

    def request(self, arguments: list[str], environment: dict[str, str], stdout: int, stderr: int, status: int) -> None:
        """Ask for a process that runs `tailwire`.

        Args:
            arguments: the arguments of `tailwire`.
            environment: its environment.
            stdout: the descriptor of its output.
            stderr: the descriptor of its errors.
            status: a descriptor to which the process id is written, and later the exit code.
        """
        wanted = {
            "arguments": arguments,
            "environment": environment,
            "folder": os.getcwd(),
            "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        }
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [stdout, stderr, status]))
        self._requests.sendmsg([json.dumps(wanted).encode()], [rights])

    def close(self) -> None:
        """End the process. Its forks stay."""
        self._requests.close()
        self._process.wait()


def _read_at_the_start(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(AT_THE_START)}


@functools.cache
def _fork_server() -> ForkServer:
    server = ForkServer()
    atexit.register(server.close)
    return server


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
            with suppress(ProcessLookupError):  # it has ended, and its exit code was not read yet
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

    async def _spawn(self, arguments: list[str], environment: dict[str, str]) -> Any:
        usual = arguments[: len(PROGRAM)] == PROGRAM and hasattr(os, "pidfd_open")
        if not usual or not _fork_server().can_fork(environment):
            return await super()._spawn(arguments, environment)
        with open(os.devnull, "wb") as nowhere:
            return await _fork(arguments[len(PROGRAM) :], environment, nowhere.fileno())


async def run(*arguments: str, **variables: str) -> tuple[int, str]:
    """Run a `tailwire` command, with variables in addition to those of this process. Return its exit code and its output."""
    environment = {**os.environ, **variables}
    if hasattr(os, "pidfd_open") and _fork_server().can_fork(environment):
        process: Any = await _fork([*arguments], environment)
        out = await process.stderr.read()
        return await process.wait(), out.decode()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *PROGRAM,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def run_apart(*arguments: str, environment: dict[str, str]) -> tuple[int, str, str]:
    """Run a `tailwire` command with these variables. Return its exit code, its output and its errors."""
    with tempfile.TemporaryFile() as output:
        if hasattr(os, "pidfd_open") and _fork_server().can_fork(environment):
            process: Any = await _fork([*arguments], environment, output.fileno())
        else:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *PROGRAM, *arguments, stdout=output, stderr=asyncio.subprocess.PIPE, env=environment
            )
        errors = await process.stderr.read()
        code = await process.wait()
        output.seek(0)
        return code, output.read().decode(), errors.decode()


async def _fork(arguments: list[str], environment: dict[str, str], stdout: int | None = None) -> ForkedProcess:
    # Without a descriptor for it, the output goes where the errors go.
    (errors, their_errors), (status, their_status) = os.pipe(), os.pipe()
    try:
        output = their_errors if stdout is None else stdout
        _fork_server().request(arguments, environment, output, their_errors, their_status)
    finally:
        for descriptor in (their_errors, their_status):
            os.close(descriptor)
    states = await _reader(status)
    return ForkedProcess(int(await states.readline()), await _reader(errors), states)


async def _reader(descriptor: int) -> asyncio.StreamReader:
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0))
    return reader
