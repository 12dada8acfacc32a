"""An example web app as a process, and the scenario that all of them must pass."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from adapters.web_apps import until
from chromium.browser import Browser, Page
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore, MessageListener, TextMessage
from tailwire.testing.embedded import EmbeddedServer
from tailwire.testing.plugin import Line

ROOT = Path(__file__).parents[2]


class WebExample:
    """An example as its docstring says: APP_ID, AUTH_KEY, CHAT_URL and CHAT_USER (alice) in the environment.

    Args:
        name: the name of the file.
        folder: its home folder, which also contains its output.
        more: further variables of its environment; `PORT` in a value is replaced by the port.
    """

    def __init__(self, name: str, folder: Path, server: EmbeddedServer, url: str, **more: str) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self._name, self._folder, self._server = name, folder, server
        self._printed = folder / "printed.txt"
        environment = {"APP_ID": server.app_id, "AUTH_KEY": server.auth_key, "CHAT_URL": url, "CHAT_USER": "alice"}
        environment |= {"HOME": str(folder), "PYTHONPATH": str(ROOT / "src")}
        environment |= {key: value.replace("PORT", str(self.port)) for key, value in more.items()}
        # NiceGUI behaves differently if it detects pytest.
        self._environment = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"} | environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def printed(self) -> str:
        """The output so far."""
        return self._printed.read_text()

    async def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        with self._printed.open("ab") as printed:
            self._process = subprocess.Popen(
                [sys.executable, str(ROOT / "examples" / self._name)],
                env=self._environment, cwd=self._folder, stdout=printed, stderr=printed,
            )  # fmt: skip
        process = self._process

        def listens() -> bool:
            with socket.socket() as s:
                return process.poll() is not None or s.connect_ex(("127.0.0.1", self.port)) == 0

        await until(listens, lambda: self.printed, 40)
        assert process.poll() is None, self.printed

    async def stop(self) -> None:
        """Stop it with the signal of Ctrl+C or of a supervisor."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, 15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    async def wait_for_sockets(self, number: int) -> None:
        """Wait until alice has the given number of sockets."""

        async def count() -> int:
            return len(self._server.parts.gateway._hub.sockets_of("alice"))

        await until(lambda: self._server.call(count()) == number, lambda: self.printed[-2000:], 60)


class Bob(MessageListener):
    """The other user, with a client in the test."""

    def __init__(self, server: EmbeddedServer) -> None:
        settings = AppSettingsBuilder().override_client_host(server.url).build()
        self.chat = ChatClient(server.app_id, settings, session_store=MemorySessionStore())
        self.texts: list[str] = []
        self._auth_key = server.auth_key

    async def __aenter__(self) -> Bob:
        await self.chat.init()
        self.chat.add_message_listener("bob", self)
        await self.chat.login("bob", auth_key=self._auth_key)
        await self.chat.wait_connected(10)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.chat.aclose()

    def on_text_message_received(self, message: TextMessage) -> None:
        self.texts.append(message.text)

    async def say(self, text: str) -> None:
        """Send a message to alice."""
        await self.chat.send_message(TextMessage(receiver="alice", text=text))

    async def hears(self, *texts: str) -> None:
        """Wait until exactly these texts have been received."""
        await until(lambda: len(self.texts) >= len(texts), lambda: self.texts, 60)
        assert self.texts == list(texts), self.texts


class Shown(Protocol):
    """A page of an example."""

    page: Page

    async def write(self, field: str, text: str) -> None:
        """Type into a field as soon as it is available, and press Enter."""

    async def choose(self, name: str) -> None: ...
    async def text(self) -> str: ...


async def sees(shown: Shown, text: str, gone: bool = False) -> None:
    """Wait until a text is on the page, or has disappeared."""
    found = ""
    try:
        async with asyncio.timeout(60):
            while (text in (found := await shown.text())) is gone:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{'still' if gone else 'not'} there: {text}\n{found}") from None


Opened = Callable[[Browser, WebExample], Any]


async def lives_through(opened: Opened, browser: Browser, example: WebExample, bob: Bob, line: Line) -> None:
    """Two users chat, with a network failure, a hidden tab and a restart. Each message is shown once."""
    await example.start()
    shown: Shown = await opened(browser, example)
    await sees(shown, "connected")
    await shown.write("Write to (user id)", "bob")
    await shown.write("Message", "good morning")
    await bob.hears("good morning")
    await bob.say("and to you")
    await sees(shown, "and to you")
    await example.wait_for_sockets(1)

    line.cut()
    await shown.write("Message", "from the tunnel")
    await sees(shown, "waits for the network")
    await bob.say("are you there?")
    line.restore()
    await sees(shown, "are you there?")
    await sees(shown, "waits for the network", gone=True)
    await bob.hears("good morning", "from the tunnel")

    await shown.page.set_visible(False)
    await example.wait_for_sockets(0)
    await bob.say("while you looked away")
    await shown.page.set_visible(True)
    await sees(shown, "while you looked away")
    await example.wait_for_sockets(1)

    await shown.page.close()
    await example.stop()
    await bob.say("while you were gone")
    await example.start()
    shown = await opened(browser, example)
    await sees(shown, "Bob")
    await shown.choose("Bob")
    await sees(shown, "while you were gone")
    texts = await shown.text()
    expected = ("good morning", "and to you", "from the tunnel", "are you there?", "looked away", "were gone")
    assert [texts.count(text) for text in expected] == [1] * len(expected), texts
    await example.stop()
    assert "Traceback" not in example.printed, example.printed
