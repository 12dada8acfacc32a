"""The lab itself: a server in its own process, two simulated phones, and the log of events."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any

from tailwire.lab.backend import Backend
from tailwire.lab.event_log import EventLog
from tailwire.lab.phone import Phone, Refused
from tailwire.lab.throttle import Throttle
from tailwire.sdk.io import clock
from tailwire.testing.server import ServerProcess

PHONE_NAMES = ("alice", "bob")
POLL_INTERVAL_SECONDS = 0.25
LATENCY_SECONDS = 0.05
MAX_LOG_CHARACTERS = 400


class Lab:
    """A server and two phones. A person operates them with switches: named operations such as `send` or `kill`.

    Args:
        folder: the folder for the server's data.
        slow: sets the latency of the phones' lines to 50 ms times this factor, each way; 1 or less adds no latency.

    Attributes:
        log: the events.
        server: the process of the server.
        phones: the phones, by the uid of their user.
    """

    def __init__(self, folder: Path, *, slow: float = 1.0) -> None:
        self.log = EventLog()
        self.server = ServerProcess(folder, None, "--demo-users")
        self.server.program = ["-m", "tailwire.cli.tied", str(os.getpid())]
        self._backend = Backend(self.server)
        latency = LATENCY_SECONDS * slow if slow > 1 else 0.0
        self.phones = {
            name: Phone(name, other, self.server, self._backend, self.log, latency)
            for name, other in zip(PHONE_NAMES, reversed(PHONE_NAMES), strict=True)
        }
        self._throttle = Throttle()
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._up = False

    async def start(self) -> None:
        """Start the server and the phones, which log in.

        Raises:
            RuntimeError: if the server does not start; the message contains its output.
            BackendFailed: if no auth token can be created for a phone.
            CometChatException: if a phone cannot log in.
        """
        await self.server.start()
        self.log.begin = clock.seconds()
        self._log_server("start", up=True)
        for phone in self.phones.values():
            await phone.start()
        self._start_task(self._watch())

    async def close(self) -> None:
        """Cancel pending switches, close the phones, kill the server and end the log. Also after a failed `start`."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._throttle.end()
        for phone in self.phones.values():
            await phone.close()
        await self._backend.close()
        await self.server.kill()
        self.log.close()

    async def __aenter__(self) -> Lab:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def do(self, whom: str, what: str, text: str = "") -> None:
        """Use a switch of a phone or of the server. Does not wait for its effect, which the log shows.

        Args:
            whom: `alice`, `bob` or `server`.
            what: the switch: for the server `kill`, `restart` (starts a killed server, too), `overload` (it gets
                little CPU time until `calm`) or `calm`; for a phone those of `Phone.do`.
            text: the text of the message for a phone's switch `send`.

        Raises:
            Refused: if there is no such switch, or it cannot be used now.
        """
        if whom == "server":
            work = {
                "kill": self._kill,
                "restart": self._restart,
                "overload": self._overload,
                "calm": self._end_overload,
            }
            if what not in work:
                raise Refused(f"the server has no switch {what!r}: it has {', '.join(work)}")
            if self._turn.locked():
                raise Refused("the server is being started or stopped: wait a moment")
            self._start_task(work[what]())
        elif whom in self.phones:
            self.phones[whom].do(what, text)
        else:
            raise Refused(f"unknown {whom!r}: use one of {', '.join(self.phones)}, server")

    def dumps(self) -> dict[str, list[dict[str, Any]]]:
        """Return the dumps of each phone's connections by the uid of its user (see `Phone.dumps`)."""
        return {name: phone.dumps() for name, phone in self.phones.items()}

    # The server.

    async def wait_server_settled(self) -> None:
        """Wait until the server is neither being started nor stopped, so that its switches are not refused."""
        async with self._turn:
            pass

    def _log_server(self, what: str, *, up: bool) -> None:
        self._up = up
        self.log.add("server", what=what, up=up, busy=self._throttle.active)

    async def _kill(self) -> None:
        async with self._turn:
            await self._throttle.end()
            if self._up:
                await self.server.kill()
                self._log_server("kill -9", up=False)

    async def _restart(self) -> None:
        async with self._turn:
            await self._throttle.end()
            if self._up:
                self._log_server("stop", up=False)
                await self.server.stop()
            try:
                await self.server.start()
            except RuntimeError as e:
                self.log.add("notice", phone="server", text=str(e)[-MAX_LOG_CHARACTERS:])
                return
            self._log_server("start", up=True)

    async def _overload(self) -> None:
        async with self._turn:
            if not self._up:
                self.log.add("notice", phone="server", text="the server is down: start it first")
                return
            try:
                self._throttle.begin(self.server.pid)
            except RuntimeError as e:
                self.log.add("notice", phone="server", text=str(e))
                return
            self._log_server("overload", up=True)

    async def _end_overload(self) -> None:
        async with self._turn:
            await self._throttle.end()
            self._log_server("calm", up=self._up)

    # Background tasks.

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="tailwire lab")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        while True:
            for phone in self.phones.values():
                phone.log_status()
            if self._up and not self.server.running and not self._turn.locked():
                await self._throttle.end()
                await self.server.kill()
                self._log_server("ended by itself", up=False)
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
