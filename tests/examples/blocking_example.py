"""An example as its user runs it: a process beside a real server, a line that can be cut, and Bob at the other end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from adapters.screen import wait_for
from tailwire import AppSettingsBuilder, MemorySessionStore, TextMessage
from tailwire.sync import Client
from tailwire.testing.embedded import EmbeddedServer
from tailwire.testing.line.proxy import FaultProxy
from tailwire.testing.loop_thread import LoopThread

ROOT = Path(__file__).parents[2]


class Line:
    """A fault proxy in a thread of its own, for tests that wait in theirs."""

    def __init__(self, port: int) -> None:
        self._thread = LoopThread("tailwire test line")
        self.proxy = FaultProxy("127.0.0.1", port)
        self._thread.call(self.proxy.start())

    def do(self, name: str) -> None:
        """Have something go wrong (`cut`, `restore`), by the name of the proxy's method."""

        async def call() -> None:
            getattr(self.proxy, name)()

        self._thread.call(call())

    def close(self) -> None:
        """End all connections."""
        self._thread.call(self.proxy.close())
        self._thread.stop()


class Place:
    """A server, the line to it, and Bob, who talks to the one user of the example."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = EmbeddedServer(folder / "server")
        self.server.start()
        for uid in ("alice", "bob", "carol"):
            self.server.add_user(uid)
        self.line = Line(self.server.port)
        self.bob = self.enter("bob")

    def enter(self, uid: str) -> Client:
        """Log a user in, beside the line."""
        settings = AppSettingsBuilder().override_client_host(self.server.url).build()
        chat = Client(self.server.app_id, settings, session_store=MemorySessionStore())
        chat.login(uid, auth_key=self.server.auth_key)
        return chat

    def say(self, text: str) -> None:
        """Send a message of Bob to Alice."""
        self.bob.send_message(TextMessage(receiver="alice", text=text))

    def heard(self) -> list[str]:
        """Return the texts that Alice's app has sent to Bob, oldest first."""
        page = [m for m in self.bob.messages(uid="alice") if isinstance(m, TextMessage) and m.sender.uid == "alice"]
        return [m.text for m in reversed(page)]

    def sockets(self) -> int:
        """Return how many sockets the server has of Alice."""

        async def look() -> int:
            return len(self.server.parts.gateway._hub.sockets_of("alice"))

        return self.server.call(look())

    def environment(self) -> dict[str, str]:
        """What the example is given."""
        return {
            "APP_ID": self.server.app_id, "AUTH_KEY": self.server.auth_key, "CHAT_USER": "alice",
            "CHAT_URL": self.line.proxy.url, "XDG_DATA_HOME": str(self.folder / "data"),
            "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1",
        }  # fmt: skip

    def close(self) -> None:
        """End all of it."""
        self.bob.close()
        self.line.close()
        self.server.close()


class Example:
    """A running example.

    Attributes:
        lines: what it printed.
    """

    def __init__(self, place: Place, name: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", str(ROOT / "examples" / name), *arguments],
            env={**(environment or os.environ), **place.environment()},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip())

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def until(self, condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
        """Wait for a condition while the example runs."""

        def holds() -> bool:
            if condition():
                return True
            assert self._process.poll() is None, f"{what}: the example ended:\n" + "\n".join(self.lines)
            return False

        wait_for(holds, what, seconds)

    def ended(self, seconds: float = 30.0) -> int:
        """Wait for its end, and return its exit code."""
        code = self._process.wait(seconds)
        self._reading.join(5)
        return code

    def close(self) -> None:
        """End it, if it runs."""
        if self._process.poll() is None:
            self._process.kill()
        self.ended()
        assert self._process.stdout is not None
        self._process.stdout.close()


def asked(place: Place, text: str) -> Callable[[], bool]:
    """Return a condition: Bob has been sent this text."""
    return lambda: text in place.heard()
