"""Runs an example as a process with a real server, a fault proxy in between, and Bob as the other user."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapters.screen import wait_for
from tailwire import AppSettings, AppSettingsBuilder, MemorySessionStore, TextMessage
from tailwire.sync import Client
from tailwire.testing.embedded import EmbeddedServer
from tailwire.testing.line.proxy import FaultProxy
from tailwire.testing.loop_thread import LoopThread

ROOT = Path(__file__).parents[2]


class Line:
    """A fault proxy in its own thread, for blocking tests."""

    def __init__(self, port: int) -> None:
        self._thread = LoopThread("tailwire test line")
        self.proxy = FaultProxy("127.0.0.1", port)
        self._thread.call(self.proxy.start())

    def do(self, name: str) -> None:
        """Call a method of the proxy, such as `cut` or `restore`."""

        async def call() -> None:
            getattr(self.proxy, name)()

        self._thread.call(call())

    def close(self) -> None:
        """End all connections."""
        self._thread.call(self.proxy.close())
        self._thread.stop()


class Place:
    """A server, the fault proxy, and Bob, who talks to the user of the example."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = EmbeddedServer(folder / "server")
        self.server.start()
        for uid in ("alice", "bob", "carol"):
            self.server.add_user(uid)
        self.line = Line(self.server.port)
        self.bob = self.enter("bob")

    def settings(self) -> AppSettings:
        """Return settings with the server's URL, without the proxy."""
        return AppSettingsBuilder().override_client_host(self.server.url).build()

    def enter(self, uid: str) -> Client:
        """Log a user in without the proxy."""
        chat = Client(self.server.app_id, self.settings(), session_store=MemorySessionStore())
        chat.login(uid, auth_key=self.server.auth_key)
        return chat

    def say(self, text: str) -> None:
        """Send a message from Bob to Alice."""
        self.bob.send_message(TextMessage(receiver="alice", text=text))

    def heard(self) -> list[str]:
        """Return the texts that Alice's app has sent to Bob, oldest first."""
        page = [m for m in self.bob.messages(uid="alice") if isinstance(m, TextMessage) and m.sender.uid == "alice"]
        return [m.text for m in reversed(page)]

    def sockets(self) -> int:
        """Return the number of Alice's sockets at the server."""

        async def look() -> int:
            return len(self.server.parts.gateway._hub.sockets_of("alice"))

        return self.server.call(look())

    def environment(self) -> dict[str, str]:
        """The environment of the example."""
        return {
            "APP_ID": self.server.app_id, "AUTH_KEY": self.server.auth_key, "CHAT_USER": "alice",
            "CHAT_URL": self.line.proxy.url, "XDG_DATA_HOME": str(self.folder / "data"),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "examples")]), "PYTHONUNBUFFERED": "1",
        }  # fmt: skip

    def close(self) -> None:
        """Stop everything."""
        self.bob.close()
        self.line.close()
        self.server.close()


class Example:
    """A running example.

    Attributes:
        lines: what it printed.

    Args:
        program: a file of `examples/`, or one of this folder that drives such a file.
    """

    def __init__(self, place: Place, program: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", str(program), *arguments],
            env={**(environment or os.environ), **place.environment()}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._take(line.rstrip())

    def _take(self, line: str) -> None:
        self.lines.append(line)

    def until(self, condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
        """Wait for a condition while the example is running."""

        def holds() -> bool:
            if condition():
                return True
            assert self._process.poll() is None, f"{what}: the example ended:\n" + "\n".join(self.lines)
            return False

        wait_for(holds, what, seconds)

    def ended(self, seconds: float = 30.0) -> int:
        """Wait until it exits, and return the exit code."""
        code = self._process.wait(seconds)
        self._reading.join(5)
        return code

    def close(self) -> None:
        """Stop it if it is running."""
        if self._process.poll() is None:
            self._process.kill()
        self.ended()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


class Driven(Example):
    """An example with a window, controlled by the test."""

    def __init__(self, place: Place, program: Path, environment: dict[str, str]) -> None:
        self._answers: dict[int, dict[str, Any]] = {}
        self._number = 0
        super().__init__(place, program, environment=environment)
        self.until(lambda: self.do("look")["status"] == "Connected", "the window is connected")

    def _take(self, line: str) -> None:
        if line.startswith("["):
            number, shown = json.loads(line)
            self._answers[number] = shown
        else:
            super()._take(line)

    def do(self, what: str, text: str = "") -> dict[str, Any]:
        """Perform a user's action, and return what they see: `title`, `conversations`, `messages`, `status`."""
        assert self._process.stdin is not None
        self._number += 1
        number = self._number
        self._process.stdin.write(json.dumps([number, what, text]) + "\n")
        self._process.stdin.flush()
        self.until(lambda: number in self._answers, f"an answer to {what!r}")
        return self._answers.pop(number)

    def texts(self) -> list[str]:
        """Return the shown messages without times and ticks."""
        return [re.sub(r"^\S+ +|   ✓+$", "", line) for line in self.do("look")["messages"]]

    def until_shown(self, *texts: str) -> None:
        """Wait until these are the last shown messages."""

        def holds() -> bool:
            return self.texts()[-len(texts) :] == list(texts)

        try:
            self.until(holds, f"{texts} shown")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.do('look')}\n" + "\n".join(self.lines)) from None

    def quit(self) -> None:
        """Close the window, and assert that the program exits without output."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        code = self.ended()
        assert (code, self.lines) == (0, []), f"it ended with {code}:\n" + "\n".join(self.lines)


def has_received(place: Place, text: str) -> Callable[[], bool]:
    """Return a condition: Bob has received this text."""
    return lambda: text in place.heard()
