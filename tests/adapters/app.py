"""The test's side: a program with a toolkit, and the server that its client is connected to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from adapters.screen import wait_for
from tailwire.testing.embedded import EmbeddedServer

HERE = Path(__file__).parent
TESTS = HERE.parent


class AppServer:
    """A server in the test's process, which can be queried for sockets and send messages of another user."""

    def __init__(self, folder: Path) -> None:
        self.embedded = EmbeddedServer(folder)
        self.embedded.start()
        self.embedded.add_user("bob")
        headers = {"apikey": self.embedded.api_key, "appid": self.embedded.app_id, "onBehalfOf": "bob"}
        self._http = httpx2.Client(base_url=f"{self.embedded.url}/v3", headers=headers, timeout=20, trust_env=False)
        self._users = 0

    def new_user(self) -> Any:
        """Create a user for one app."""
        self._users += 1
        return self.embedded.add_user(f"user-{self._users}")

    def sockets(self, uid: str) -> list[int]:
        """Return an identity for each socket of a user."""

        async def look() -> list[int]:
            return [id(s) for s in self.embedded.parts.gateway._hub.sockets_of(uid)]

        return self.embedded.call(look())

    def say(self, uid: str, text: str) -> None:
        """Send a message from Bob to a user."""
        body = {"receiver": uid, "receiverType": "user", "category": "message", "type": "text", "data": {"text": text}}
        self._http.post("/messages", json=body).raise_for_status()

    def close(self) -> None:
        """Stop the server."""
        self._http.close()
        self.embedded.close()


class App:
    """A running program (see `program.py`).

    Attributes:
        reported: the app states that its watch reported, in order.
        reasons: the names under which they were reported.
        events: the events of the toolkit, by the toolkit's names.
        messages: the texts that were handed over, in order.
    """

    def __init__(self, program: str, server: AppServer, environment: dict[str, str], **options: Any) -> None:
        self.server = server
        user = server.new_user()
        self.uid: str = user.uid
        self.reported: list[str] = []
        self.reasons: list[str] = []
        self.events: list[str] = []
        self.messages: list[str] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._ready = False
        self._noise: list[str] = []
        self._number = 0
        settings = {"auto": True, "hidden": "background", "background_window": 30.0, **options}
        settings |= {"url": server.embedded.url, "app_id": server.embedded.app_id, "token": user.token}
        path = ":".join([str(TESTS), str(TESTS.parent / "src")])
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", str(HERE / f"{program}.py"), json.dumps(settings)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**environment, "PYTHONPATH": path},
        )  # fmt: skip
        self._threads = [threading.Thread(target=read, daemon=True) for read in (self._read, self._read_noise)]
        for thread in self._threads:
            thread.start()
        try:
            self.until(lambda: self._ready, "the app is ready", 30)
        except BaseException:
            self.close()
            raise

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                self._noise.append(line)
                continue
            if "answer" in message:
                self._answers[message["answer"]] = message
            elif "reported" in message:
                self.reported.append(message["reported"])
                self.reasons.append(message["reason"])
            elif "event" in message:
                self.events.append(message["event"])
            elif "message" in message:
                self.messages.append(message["message"])
            elif "ready" in message:
                self._ready = True

    def _read_noise(self) -> None:
        assert self._process.stderr is not None
        self._noise.extend(self._process.stderr)

    @property
    def printed(self) -> str:
        """Other output of the program: tracebacks, warnings of the toolkit."""
        return "".join(self._noise)

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        """Wait for a condition while the program is running."""

        def holds() -> bool:
            if condition():
                return True
            assert self.alive, f"{what}: the program ended:\n{self.printed}"
            return False

        try:
            wait_for(holds, what, seconds)
        except AssertionError as e:
            raise AssertionError(
                f"{e}\nreported: {self.reported}\nevents: {self.events[-10:]}\n{self.printed}"
            ) from None

    def do(self, command: str) -> Any:
        """Have the program do something in its toolkit's thread, and return the result.

        Raises:
            AssertionError: the command failed; the message has the program's traceback.
        """
        assert self._process.stdin is not None
        self._number += 1
        number = self._number
        self._process.stdin.write(json.dumps({"do": command, "number": number}) + "\n")
        self._process.stdin.flush()
        self.until(lambda: number in self._answers, f"an answer to {command!r}")
        answer = self._answers.pop(number)
        assert "failed" not in answer, answer["failed"]
        return answer["value"]

    def turns(self) -> None:
        """Wait until the toolkit's loop has handled its pending events."""
        for _ in range(3):
            self.do("turn")

    def sockets(self) -> list[int]:
        """Return the sockets of the app's user at the server."""
        return self.server.sockets(self.uid)

    def until_gone(self) -> None:
        """Wait until the user has no socket, for less time than the server keeps a silent one."""
        self.until(lambda: not self.sockets(), "the socket is gone at the server", 5)

    def until_back(self) -> None:
        """Wait until the user has one socket again."""
        self.until(lambda: len(self.sockets()) == 1, "the socket is back at the server", 5)

    def until_heard(self, text: str) -> None:
        """Wait until a message was delivered."""
        self.until(lambda: text in self.messages, f"the message {text!r} is handed over")

    def close(self) -> int:
        """Close the connection, so that the program exits, and return its exit code."""
        assert self._process.stdin is not None
        if not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            code = self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)  # faulthandler prints the stack of each thread
            code = None
            self._process.wait()
        for thread in self._threads:
            thread.join(5)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
        assert code is not None, f"the program did not end:\n{self.printed}"
        return code
