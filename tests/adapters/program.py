"""The app's side: what every test program shares, whatever its toolkit.

A program is started with its options (JSON) as its only argument. It reads commands from standard input, one JSON
object per line, and prints what happens: each response, each reported state, each message, and the toolkit's own events.
The toolkit's main loop watches standard input and calls `feed()`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import tailwire
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore, MessageListener
from tailwire.sdk.connection.timings import Timings
from tailwire.sync import Client


class Program:
    """The program's connection to its test.

    Attributes:
        options: set by the test: `url`, `app_id`, `token`, `auto`, `hidden`, `background_window`.
        commands: the test's commands, by name; the result of a command is sent back.
        ended: whether the test has closed the connection, so that the program must exit.
    """

    def __init__(self, **commands: Callable[[], Any]) -> None:
        self.options: dict[str, Any] = json.loads(sys.argv[1])
        self.commands: dict[str, Callable[[], Any]] = {"turn": lambda: None, **commands}
        self.ended = False
        self._unread = b""
        self._printing = threading.Lock()

    def report(self, **what: Any) -> None:
        """Print something for the test; may be called from any thread."""
        with self._printing:
            print(json.dumps(what), flush=True)

    def event(self, name: str) -> None:
        """Report an event of the toolkit."""
        self.report(event=name)

    def feed(self, *_: Any) -> None:
        """Read standard input; called by the toolkit's loop when it is readable."""
        came = os.read(0, 65536)
        if not came:
            self.ended = True
            return
        *lines, self._unread = (self._unread + came).split(b"\n")
        for line in lines:
            self._do(json.loads(line))

    def _do(self, command: dict[str, Any]) -> None:
        try:
            value = self.commands[command["do"]]()
        except Exception:
            self.report(answer=command["number"], failed=traceback.format_exc())
        else:
            self.report(answer=command["number"], value=value)

    # The client.

    def _settings(self) -> dict[str, Any]:
        o = self.options
        settings = AppSettingsBuilder().override_client_host(o["url"])
        settings.auto_establish_socket_connection(o["auto"])
        return {
            "app_id": o["app_id"],
            "settings": settings.build(),
            "session_store": MemorySessionStore(),
            "timings": Timings(background_window=o["background_window"]),
        }

    def enter_blocking(self, post: Any) -> Client:
        """Return a logged-in client for a main loop other than asyncio's; its callbacks are posted."""
        chat = Client(**self._settings(), post=post)
        chat.add_message_listener("test", Heard(self))
        chat.login_with_auth_token(self.options["token"])
        if not self.options["auto"]:
            chat.connect()
        chat.wait_connected(20)
        return chat

    def make_client(self) -> ChatClient:
        """Return a client for asyncio's main loop that is not initialised yet."""
        return ChatClient(**self._settings())

    async def enter(self, chat: ChatClient) -> None:
        """Log in, print each message, and wait until the client is connected."""
        await chat.init()
        chat.add_message_listener("test", Heard(self))
        await chat.login_with_auth_token(self.options["token"])
        if not self.options["auto"]:
            await chat.connect()
        await chat.wait_connected(20)

    def watch(self, chat: Any, adapter: Callable[..., Any], *arguments: Any) -> Any:
        """Watch with an adapter, or with `tailwire.watch` if the test asks for that (`found`)."""
        informed, hidden = self.informed(chat), self.options["hidden"]
        if self.options.get("found"):
            return tailwire.watch(informed, hidden=hidden)
        return adapter(informed, *arguments, hidden=hidden)

    def informed(self, chat: Any) -> Recorded:
        """Return the client to watch; everything that is reported to it is printed."""
        return Recorded(self, chat)


class Commands:
    """The commands of every program. Subclasses set `client` and `watch`."""

    client: Any
    watch: Any

    def named(self, *besides: str) -> dict[str, Callable[[], Any]]:
        """Return the public methods by name, except those in `besides`."""
        names = [n for n in dir(type(self)) if not n.startswith("_") and n not in ("named", *besides)]
        return {name: getattr(self, name) for name in names}

    def seen(self) -> str:
        return str(self.watch.seen)

    def sleep(self) -> None:
        self.client.set_app_state("background", reason="sleep")

    def wake(self) -> None:
        self.client.set_app_state("foreground", reason="sleep")

    def stop_watching(self) -> None:
        self.watch.close()

    def explain(self) -> str:
        connection = self.client.connection
        return f"{connection.status}: {connection.explain()}"


class Heard(MessageListener):
    """Prints each text message."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def on_text_message_received(self, message: Any) -> None:
        """Print the message."""
        self._program.report(message=message.text)


class Recorded:
    """A client that prints what a watch reports to it, without repetitions."""

    def __init__(self, program: Program, chat: Any) -> None:
        self._program, self._chat = program, chat
        self._background: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chat, name)

    def set_app_state(self, state: str, *, reason: str = "app") -> None:
        """Forward the state, and print it."""
        self._chat.set_app_state(state, reason=reason)
        if (state == "background") is not (reason in self._background):
            (self._background.add if state == "background" else self._background.discard)(reason)
            self._program.report(reported=state, reason=reason)

    def set_network(self, network: str) -> None:
        """Forward the network, and print it."""
        self._chat.set_network(network)
        self._program.report(network=network)
