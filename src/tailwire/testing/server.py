"""A real server in its own process, for tests that start, kill and restart it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tailwire.server.config import Settings

UNLIMITED: dict[str, Any] = {
    **{f"{what}_per_minute": 0 for what in ("sends", "requests", "logins", "core", "standard", "wrong_tokens")},
    **{f"{what}_per_address": 0 for what in ("connections", "unauthenticated")},
}
"""Server settings for tests, by name: no rate limits, and any number of clients per address."""


class BadReadyFile(ValueError):
    """The file is not a ready file, which a server writes once it listens."""


def read_ready_file(file: Path) -> dict[str, Any]:
    """Read the ready file that a server writes once it listens.

    Returns:
        `url`, `app_id` ("" if the file has none), `pid`; and `auth_key` and `api_key` if it was the first start on the
        server's data, because keys are only shown then.

    Raises:
        BadReadyFile: if the file is invalid.
        OSError: if it cannot be read.
    """
    try:
        ready = json.loads(file.read_text(encoding="utf-8"))
        int(ready["url"].rpartition(":")[2])
        if not all(isinstance(ready.get(k, ""), str) for k in ("url", "app_id", "auth_key", "api_key")):
            raise TypeError("its values must be strings")
        return {"app_id": "", **ready}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise BadReadyFile(f"{file} is not a server's ready file: {e!r}") from e


def _inherited() -> dict[str, str]:
    # A shell may name the database of a real server, in which nothing must be tried out.
    names = {field.name for field in dataclasses.fields(Settings)}
    return {
        variable: value
        for variable, value in os.environ.items()
        if not variable.startswith("TAILWIRE_") or variable.removeprefix("TAILWIRE_").lower() not in names
    }


class ServerProcess:
    """`tailwire serve` in its own process.

    ```python
    async with ServerProcess(tmp_path) as server:
        client = ChatClient(server.app_id, AppSettingsBuilder().override_client_host(server.url).build())
    ```

    Leaving the block kills the process.

    Args:
        folder: the folder for the data and the ready file.
        settings: `TAILWIRE_*` environment variables of the process; they replace those that switch the limits off. The
            process inherits all variables except those of settings, which are meant for another server.
        arguments: more arguments of `tailwire serve`.

    Attributes:
        data: the folder for the data; by default `data` in `folder`.
        program: the arguments of the Python interpreter that select the program.
        url, port: the URL and the port at which the server listens; "" and 0 before the first start. A later start
            uses the same port.
        app_id, auth_key, api_key: the app id and the keys that the server created at its first start.
        log: the lines of the process's standard error, of all starts.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None, *arguments: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.program = ["-m", "tailwire.cli.main"]
        self.url = self.app_id = self.auth_key = self.api_key = ""
        self.port = 0
        self._settings = {**{f"TAILWIRE_{k.upper()}": str(v) for k, v in UNLIMITED.items()}, **(settings or {})}
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self.log: list[str] = []
        self._logged = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process id.

        Raises:
            RuntimeError: no process was started, or `kill`, `stop` or `ended` was called since.
        """
        if self._process is None:
            raise RuntimeError("the server is not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process, and wait without a time limit until the server listens.

        Raises:
            RuntimeError: if the process ended instead; the message contains the last lines of its output.
            BadReadyFile: if its ready file is invalid; the process is killed then.
            OSError: if the process cannot be started, or its ready file cannot be read.
        """
        ready = self.folder / "ready.json"
        command = [*self.program, "serve", "--data", str(self.data)]
        command += ["--port", str(self.port), "--ready-file", str(ready), *self._arguments]
        self._process = await self._spawn(command, {**_inherited(), **self._settings})
        listening = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(self._process, ready, listening))
        try:
            await listening
        except (BadReadyFile, OSError):
            await self.kill()
            raise

    async def _spawn(self, arguments: list[str], environment: dict[str, str]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            env=environment,
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )

    async def _read(self, process: asyncio.subprocess.Process, ready: Path, listening: asyncio.Future[None]) -> None:
        if process.stderr is None:
            raise RuntimeError("the server's output is not piped")
        while line := await process.stderr.readline():
            self.log.append(line.decode(errors="replace").rstrip())
            self._logged.set()
            self._logged = asyncio.Event()
            if "ready file written" in self.log[-1] and not listening.done():
                try:
                    self._read_ready_file(ready)
                except (BadReadyFile, OSError) as e:
                    listening.set_exception(e)
                else:
                    listening.set_result(None)
        if not listening.done():
            await process.wait()
            listening.set_exception(RuntimeError("the server did not start:\n" + "\n".join(self.log[-20:])))

    def _read_ready_file(self, file: Path) -> None:
        ready = read_ready_file(file)
        self.url, self.app_id = ready["url"], ready["app_id"]
        self.port = int(self.url.rpartition(":")[2])
        self.auth_key = ready.get("auth_key", self.auth_key)
        self.api_key = ready.get("api_key", self.api_key)

    async def until_logged(self, words: str, seconds: float = 30.0) -> str:
        """Wait until a line of `log` contains a text, and return the newest such line. It may be there already.

        Raises:
            TimeoutError: if there is no such line within `seconds`.
        """
        async with asyncio.timeout(seconds):
            while not (found := [line for line in self.log if words in line]):
                await self._logged.wait()
        return found[-1]

    async def kill(self) -> None:
        """Kill the process (SIGKILL) and wait until it has ended. Without effect if there is none."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Stop the process (SIGTERM), wait until it has ended, and return its exit code; 0 if there is no process."""
        return await self._end(signal.SIGTERM)

    async def ended(self) -> int:
        """Wait without a time limit until the process has ended by itself, and return its exit code.

        Return 0 if there is no process.
        """
        return await self._end(None)

    async def _end(self, signum: signal.Signals | None) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.returncode is None and signum is not None:
            process.send_signal(signum)
        code = await process.wait()
        if self._reading is not None:
            await self._reading
        return code

    async def __aenter__(self) -> ServerProcess:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end(signal.SIGKILL)
