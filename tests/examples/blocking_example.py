"""An example as its user runs it: a process beside a real server, a line that can be cut, and Bob at the other end."""

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

    def settings(self) -> AppSettings:
        """Where the server is, beside the line."""
        return AppSettingsBuilder().override_client_host(self.server.url).build()

    def enter(self, uid: str) -> Client:
        """Log a user in, beside the line."""
        chat = Client(self.server.app_id, self.settings(), session_store=MemorySessionStore())
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
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "examples")]), "PYTHONUNBUFFERED": "1",
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

    Args:
        program: a file of `examples/`, or one beside this that drives it.
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
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


class Driven(Example):
    """An example with a window, told what its user does."""

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
        """Have the user do something, and return what they see: `title`, `conversations`, `messages`, `status`."""
        assert self._process.stdin is not None
        self._number += 1
        number = self._number
        self._process.stdin.write(json.dumps([number, what, text]) + "\n")
        self._process.stdin.flush()
        self.until(lambda: number in self._answers, f"an answer to {what!r}")
        return self._answers.pop(number)

    def texts(self) -> list[str]:
        """Return the messages that it shows, without their times and their ticks."""
        return [re.sub(r"^\S+ +|   ✓+$", "", line) for line in self.do("look")["messages"]]

    def until_shown(self, *texts: str) -> None:
        """Wait until the last messages that it shows are these."""

        def holds() -> bool:
            return self.texts()[-len(texts) :] == list(texts)

        try:
            self.until(holds, f"{texts} shown")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.do('look')}\n" + "\n".join(self.lines)) from None

    def quit(self) -> None:
        """Have it end by itself, without having printed anything."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        code = self.ended()
        assert (code, self.lines) == (0, []), f"it ended with {code}:\n" + "\n".join(self.lines)


def asked(place: Place, text: str) -> Callable[[], bool]:
    """Return a condition: Bob has been sent this text."""
    return lambda: text in place.heard()
