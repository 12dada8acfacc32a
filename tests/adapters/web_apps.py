"""Web apps for tests, run as processes, and a chat server that reports the sockets of its users."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore, TextMessage
from tailwire.testing.embedded import EmbeddedServer, TestUser

FOLDER = Path(__file__).parent


async def until(condition: Callable[[], Any], what: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for a condition; `what` describes the current state for the error message."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise TimeoutError(str(what())) from None


class WebApp:
    """A web app as a process, and its chat server in this one.

    Args:
        script: the program, as a path relative to this folder or absolute; its argument is a port.
        folder: the folder of the server's data.
        environment: makes further variables of the app's environment, which has `URL` and `APP_ID` of the server.
    """

    def __init__(self, script: str, folder: Path, environment: Callable[[EmbeddedServer], dict[str, str]]) -> None:
        self.server = EmbeddedServer(folder)
        self.server.start()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"http://localhost:{self.port}/"
        self.output: list[str] = []
        variables = {"URL": self.server.url, "APP_ID": self.server.app_id, "FLET_SERVER_PORT": str(self.port)}
        variables |= environment(self.server)
        # NiceGUI behaves differently if it detects pytest.
        around = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        self._process = subprocess.Popen(
            [sys.executable, str(FOLDER / script), str(self.port)],
            env=around | variables,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout:
            for line in self._process.stdout:
                self.output.append(line.rstrip())

    async def listens(self) -> None:
        """Wait until the app accepts connections."""

        def connects() -> bool:
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0

        await until(lambda: self._process.poll() is not None or connects(), lambda: self.output[-20:], 30)
        assert self._process.poll() is None, self.output[-20:]

    async def says(self, words: str, times: int = 1, seconds: float = 15.0) -> None:
        """Wait until the app has printed a line the given number of times."""
        await until(lambda: self.output.count(words) >= times, lambda: self.output[-30:], seconds)

    def signal(self, number: signal.Signals) -> None:
        """Send the app's process a signal."""
        self._process.send_signal(number)

    def sockets(self, user: TestUser) -> int:
        """Return the number of a user's sockets at the server."""

        async def count() -> int:
            return len(self.server.parts.gateway._hub.sockets_of(user.uid))

        return self.server.call(count())

    async def wait_for_sockets(self, user: TestUser, number: int, seconds: float = 10.0) -> None:
        """Wait until a user has the given number of sockets."""
        await until(lambda: self.sockets(user) == number, lambda: f"{self.sockets(user)}; {self.output[-20:]}", seconds)

    async def send(self, sender: TestUser, receiver: TestUser, text: str) -> None:
        """Send a message as another user."""
        settings = AppSettingsBuilder().override_client_host(self.server.url)
        settings.auto_establish_socket_connection(False)
        async with ChatClient(self.server.app_id, settings.build(), session_store=MemorySessionStore()) as chat:
            await chat.login_with_auth_token(sender.token)
            await chat.send_message(TextMessage(text=text, receiver=receiver.uid))

    def close(self) -> None:
        """End the app and the server."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reading.join(5)
        self.server.close()
