"""A server in this process, its blocking clients, a simulated GUI thread, and conditions to wait for."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from tailwire import AppSettingsBuilder, MemorySessionStore, TextMessage
from tailwire.sync import Client
from tailwire.testing.embedded import EmbeddedServer

DEADLINE = 30.0


class SyncHarness:
    """A server and its blocking clients."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self.clients: list[Client] = []
        self._users = 0

    def settings(self) -> AppSettingsBuilder:
        return AppSettingsBuilder().override_client_host(self.server.url)

    def add_user(self) -> str:
        """Create a user, and return the uid."""
        self._users += 1
        return self.server.add_user(f"user-{self._users}").uid

    def client(self, builder: AppSettingsBuilder | None = None, **more: Any) -> Client:
        """Return a client that is not logged in."""
        more.setdefault("session_store", MemorySessionStore())
        made = Client(self.server.app_id, (builder or self.settings()).build(), **more)
        self.clients.append(made)
        return made

    def enter(self, uid: str = "", builder: AppSettingsBuilder | None = None, **more: Any) -> Client:
        """Return a client that is logged in and connected."""
        chat = self.client(builder, **more)
        chat.login(uid or self.add_user(), auth_key=self.server.auth_key)
        chat.wait_connected()
        return chat


class Window:
    """A GUI's thread, simulated by the test's: posted functions run in `turn()`."""

    def __init__(self) -> None:
        self.posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.ran = 0

    def post(self, function: Callable[[], None]) -> None:
        self.posted.put(function)

    def turn(self) -> bool:
        """Run one posted function. Return False if there is none."""
        try:
            function = self.posted.get_nowait()
        except queue.Empty:
            return False
        function()
        self.ran += 1
        return True

    def until(self, condition: Callable[[], Any]) -> None:
        """Run posted functions until a condition becomes true, at most `DEADLINE` seconds."""

        def run_and_check() -> bool:
            while self.turn():
                pass
            return bool(condition())

        until(run_and_check)


def send_texts(chat: Client, to: str, *texts: str) -> None:
    for text in texts:
        chat.send_message(TextMessage(receiver=to, receiver_type="user", text=text))


def until(condition: Callable[[], Any]) -> Any:
    """Wait until another thread has made a condition true, and return its value.

    Raises:
        AssertionError: it does not become true within `DEADLINE` seconds.
    """
    end = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < end, "the condition did not become true"
        time.sleep(0.005)
    return value


def threads(name: str = "tailwire client") -> int:
    """Return the number of running client threads."""
    return sum(t.name == name for t in threading.enumerate())
