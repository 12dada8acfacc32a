"""`tailwire demo`: a server, two clients, and everything that can happen to a connection, shown as a timeline.

Each step waits for what it shows, and fails if that does not happen in time. The exit code is 0 only if all succeed.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tailwire.adapters.main_loop import run
from tailwire.sdk.app_settings import AppSettingsBuilder
from tailwire.sdk.client import ChatClient
from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.connection.timings import Timings
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.listeners.interfaces import ConnectionListener, MessageListener
from tailwire.sdk.session import MemorySessionStore
from tailwire.testing.line.proxy import FaultProxy
from tailwire.testing.server import ServerProcess
from tailwire.wire.entities import TextMessage

STEP_TIMEOUT_SECONDS = 20.0
SHORT_WINDOW_SECONDS = 2.0
MIN_WORD_COLUMNS = 110
"""The width of the console in columns from which states are shown as words. Narrower consoles show symbols."""
_WEB_FONT = re.compile(r"\s*@font-face\s*\{[^}]*\}")
_SIGNS = {"connected": "●", "connecting": "◐", "disconnected": "○", "featureThrottled": "◍", "-": "·"}
_COLORS = {"connected": "green", "connecting": "yellow", "disconnected": "red", "featureThrottled": "magenta"}


class StepFailed(Exception):
    """A step of the demonstration did not have the expected outcome."""


class RecordingListener(ConnectionListener, MessageListener):
    """Records the statuses and messages of a client, and wakes the tasks in `wait_until`."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.statuses: list[ConnectionStatus] = []
        self._changed = asyncio.Event()

    def _wake_waiters(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def on_connected(self) -> None:
        """Record the status."""
        self.statuses.append(ConnectionStatus.CONNECTED)
        self._wake_waiters()

    def on_connecting(self) -> None:
        """Record the status."""
        self.statuses.append(ConnectionStatus.CONNECTING)
        self._wake_waiters()

    def on_disconnected(self) -> None:
        """Record the status."""
        self.statuses.append(ConnectionStatus.DISCONNECTED)
        self._wake_waiters()

    def on_text_message_received(self, message: TextMessage) -> None:
        """Record the text."""
        self.texts.append(message.text)
        self._wake_waiters()

    async def wait_until(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait until a condition is true. It is checked after each recorded event.

        Args:
            what: what is waited for, for the error text.
            condition: returns whether the wait is over.

        Raises:
            StepFailed: the condition is not true within 20 s.
        """
        try:
            async with asyncio.timeout(STEP_TIMEOUT_SECONDS):
                while not condition():
                    await self._changed.wait()
        except TimeoutError:
            raise StepFailed(f"did not happen within {STEP_TIMEOUT_SECONDS:.0f} s: {what}") from None


class Demo:
    """Carries out the demonstration, and prints each step with its outcome.

    Args:
        folder: an empty folder for the data of the server.
        console: the console to print to.
    """

    def __init__(self, folder: Path, console: Console) -> None:
        self._console = console
        self._begin = time.monotonic()
        self._server = ServerProcess(folder, None, "--demo-users")
        self._server.program = ["-m", "tailwire.cli.tied", str(os.getpid())]
        self._proxy = FaultProxy("127.0.0.1", 0)
        self._watched: dict[str, RecordingListener] = {}
        self._clients: dict[str, ChatClient] = {}
        self._sent: dict[str, list[str]] = {"alice": [], "bob": []}
        self._reconnects: list[tuple[str, float]] = []

    # Output.

    def _show(self, what: str) -> None:
        at = time.monotonic() - self._begin
        row = Table.grid(padding=(0, 2, 0, 0))  # wraps long text within its column
        for _ in range(3):
            row.add_column(no_wrap=True)
        row.add_column()
        row.add_row(Text(f"{at:6.2f} s", "dim"), self._state_text("alice"), self._state_text("bob"), Text(what))
        self._console.print(row, soft_wrap=False)

    def _state_text(self, name: str) -> Text:
        client = self._clients.get(name)
        status = str(client.get_connection_status()) if client is not None else "-"
        color = _COLORS.get(status, "dim")
        if self._console.width < MIN_WORD_COLUMNS:
            return Text.assemble((_SIGNS[status], color), f" {name}")
        return Text.assemble(f"{name} ", (f"{status:<12}", color))

    def _spinner(self, text: str) -> AbstractContextManager[object]:
        # Shows a spinner while nothing else happens, but not in a recording.
        return nullcontext() if self._console.record else self._console.status(text)

    def _print_title(self, text: str) -> None:
        self._console.print(f"\n[bold]{text}[/]")

    # Actions.

    def _create_client(self, name: str, *, auto: bool = True, window: float = 30.0) -> ChatClient:
        builder = AppSettingsBuilder().override_client_host(self._proxy.url if name == "bob" else self._server.url)
        settings = builder.auto_establish_socket_connection(auto).build()
        timings = replace(Timings(), background_window=window)
        client = ChatClient(self._server.app_id, settings, session_store=MemorySessionStore(), timings=timings)
        self._clients[name] = client
        return client

    async def _log_in(self, name: str, client: ChatClient) -> RecordingListener:
        await client.init()
        listener = self._watched[name] = self._watched.get(name) or RecordingListener()
        client.add_connection_listener("demo", listener)
        client.add_message_listener("demo", listener)
        await client.login(name, auth_key=self._server.auth_key)
        return listener

    async def _send_messages(self, count: int) -> None:
        for _ in range(count):
            text = f"message {len(self._sent['bob']) + 1}"
            await self._clients["alice"].send_message(TextMessage(receiver="bob", text=text))
            self._sent["bob"].append(text)

    async def _wait_until_all_received(self) -> None:
        bob, sent = self._watched["bob"], self._sent["bob"]
        await bob.wait_until(f"{len(sent)} messages, in order", lambda: len(bob.texts) >= len(sent))
        if bob.texts != sent:
            raise StepFailed(f"sent {sent}, received {bob.texts}")

    async def _wait_for_status(self, name: str, status: ConnectionStatus) -> None:
        client, listener = self._clients[name], self._watched[name]
        await listener.wait_until(f"{name} {status}", lambda: client.get_connection_status() is status)

    async def _time_until_connected(self, what: str, name: str, work: Awaitable[None]) -> float:
        begin = time.monotonic()
        await work
        took = time.monotonic() - begin
        self._reconnects.append((f"{name}: {what}", took))
        return took

    async def run(self) -> bool:
        """Run all steps, and return True.

        Raises:
            StepFailed: a step failed; later ones are not run.
        """
        if self._console.width < MIN_WORD_COLUMNS:
            self._console.print("[dim]" + "   ".join(f"{sign} {word}" for word, sign in _SIGNS.items() if word != "-"))
        try:
            with self._spinner("Starting a server …"):
                await self._server.start()
            async with self._proxy:
                await self._run_steps()
        finally:
            await self._server.kill()
        self._print_summary()
        return True

    async def _run_steps(self) -> None:
        self._proxy.aim(self._server.port)
        self._show(f"a server on SQLite at {self._server.url}; bob goes through a proxy that can be cut")
        try:
            await self._show_auto_mode()
            await self._show_network()
            await self._show_server_killed()
            await self._show_manual_mode()
            await self._show_logout()
        finally:
            for client in self._clients.values():
                await client.aclose()

    async def _show_auto_mode(self) -> None:
        self._print_title("Auto mode: the SDK decides")
        await self._log_in("alice", self._create_client("alice"))
        await self._log_in("bob", self._create_client("bob"))
        await self._wait_for_status("alice", ConnectionStatus.CONNECTED)
        await self._wait_for_status("bob", ConnectionStatus.CONNECTED)
        self._show("both logged in: connected automatically")
        await self._send_messages(1)
        await self._wait_until_all_received()
        self._show("alice sent a message, bob received it")
        bob = self._clients["bob"]
        bob.set_app_state("background")
        await self._wait_for_status("bob", ConnectionStatus.DISCONNECTED)
        self._show("bob's app goes to the background: closed at once")
        await self._send_messages(3)
        self._show("alice sends 3 messages meanwhile")

        async def come_back() -> None:
            bob.set_app_state("foreground")
            await self._wait_for_status("bob", ConnectionStatus.CONNECTED)
            await self._wait_until_all_received()

        took = await self._time_until_connected("foreground", "bob", come_back())
        self._show(f"bob's app is back: connected, and exactly the 3 missed messages, in {took * 1000:.0f} ms")

    async def _show_network(self) -> None:
        self._print_title("The network goes and comes")
        bob = self._clients["bob"]
        self._proxy.cut()
        await self._wait_for_status("bob", ConnectionStatus.DISCONNECTED)
        self._show("bob's network is cut")
        bob.set_network("offline")
        await self._send_messages(2)
        self._show("alice sends 2 messages meanwhile; " + bob.connection.explain())
        self._proxy.restore()

        async def come_back() -> None:
            bob.set_network("online")
            await self._wait_for_status("bob", ConnectionStatus.CONNECTED)
            await self._wait_until_all_received()

        took = await self._time_until_connected("network", "bob", come_back())
        self._show(f"the network is back: connected, and both messages, in {took * 1000:.0f} ms")

    async def _show_server_killed(self) -> None:
        self._print_title("The server is killed with -9")
        await self._send_messages(1)
        await self._wait_until_all_received()
        await self._server.kill()
        await self._wait_for_status("alice", ConnectionStatus.DISCONNECTED)
        await self._wait_for_status("bob", ConnectionStatus.DISCONNECTED)
        self._show("killed; " + self._clients["alice"].connection.explain())
        with self._spinner("Starting it again …"):
            await self._server.start()
        self._show("started again on the same data")
        await self._send_messages(1)

        async def come_back() -> None:
            await self._wait_for_status("alice", ConnectionStatus.CONNECTED)
            await self._wait_for_status("bob", ConnectionStatus.CONNECTED)
            await self._wait_until_all_received()

        took = await self._time_until_connected("server restarted", "both", come_back())
        self._show(f"both connected again in {took:.1f} s (spread at random, to avoid a burst of reconnects)")

    async def _show_manual_mode(self) -> None:
        self._print_title(f"Manual mode: the app decides (the 30 s window is {SHORT_WINDOW_SECONDS:.0f} s here)")
        await self._clients.pop("bob").aclose()
        bob = self._create_client("bob", auto=False, window=SHORT_WINDOW_SECONDS)
        await self._log_in("bob", bob)
        self._show("bob logs in in manual mode: no connection until connect()")
        await bob.connect()
        await self._wait_for_status("bob", ConnectionStatus.CONNECTED)
        self._show("connect()")
        bob.set_app_state("background")
        begin = time.monotonic()
        pings = 0
        while time.monotonic() - begin < 2 * SHORT_WINDOW_SECONDS:
            await self._pause(SHORT_WINDOW_SECONDS / 2)
            await bob.ping()
            pings += 1
        if bob.get_connection_status() is not ConnectionStatus.CONNECTED:
            raise StepFailed("ping() did not keep the connection")
        self._show(f"in the background, {pings} × ping() keeps it for {time.monotonic() - begin:.1f} s")
        begin = time.monotonic()
        await self._wait_for_status("bob", ConnectionStatus.DISCONNECTED)
        self._show(f"without ping() it ends after {time.monotonic() - begin:.1f} s")
        await self._send_messages(1)
        bob.set_app_state("foreground")
        if bob.get_connection_status() is not ConnectionStatus.DISCONNECTED:
            raise StepFailed("manual mode connected without connect()")
        self._show("back in the foreground: stays disconnected, a message waits; " + bob.connection.explain())
        await self._time_until_connected("connect()", "bob", self._connect_again(bob))
        self._show("connect() again: the message has arrived")

    async def _connect_again(self, bob: ChatClient) -> None:
        await bob.connect()
        await self._wait_until_all_received()

    async def _pause(self, seconds: float) -> None:
        # The time that passes is what the step shows, so nothing else is waited for.
        await asyncio.get_running_loop().create_task(asyncio.sleep(seconds))

    async def _show_logout(self) -> None:
        self._print_title("Logout")
        for name in ("alice", "bob"):
            await self._clients[name].logout()
        self._show("both logged out: the connections are closed, the sessions are deleted")

    def _print_summary(self) -> None:
        sent, received = self._sent["bob"], self._watched["bob"].texts
        lost = [t for t in sent if t not in received]
        doubled = len(received) - len(set(received))
        self._console.print(
            f"\nsent [bold]{len(sent)}[/], received [bold]{len(received)}[/], "
            f"lost [bold]{len(lost)}[/], duplicated [bold]{doubled}[/]"
        )
        for what, took in self._reconnects:
            self._console.print(f"  {took * 1000:7.0f} ms  {what}")
        if lost or doubled:
            raise StepFailed(f"lost {lost}, duplicated {doubled}")


def without_web_fonts(svg: str) -> str:
    """Remove the web fonts from an SVG picture of a terminal, so that it loads nothing from other servers."""
    return _WEB_FONT.sub("", svg)


def demo(picture: str = "") -> int:
    """Run the demonstration.

    Args:
        picture: an SVG file to save the output in; "" for none.

    Returns:
        The exit code: 0 if all steps succeeded; 1 if one failed; 130 if a signal ended the demo.
    """
    width = 150 if picture else None if sys.stdout.isatty() else 120
    console = Console(highlight=False, soft_wrap=True, record=bool(picture), width=width)
    with tempfile.TemporaryDirectory(prefix="tailwire-demo-") as folder:
        try:
            done = run(Demo(Path(folder), console).run())
        except (StepFailed, CometChatException, RuntimeError) as e:
            Console(stderr=True).print(f"[red]the demo failed:[/] {e}")
            return 1
    if done is None:  # ended by a signal
        return 130
    if picture:
        Path(picture).write_text(without_web_fonts(console.export_svg(title="tailwire demo")), encoding="utf-8")
    console.print("\nTo chat in a browser: `make serve`, then http://127.0.0.1:8480/chat/", soft_wrap=False)
    console.print("To break things yourself and watch in a browser: `make lab` (tailwire lab)", soft_wrap=False)
    return 0
