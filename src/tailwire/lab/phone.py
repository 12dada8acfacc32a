"""A simulated phone: a real client behind a fault proxy (its line), and the switches by which a person operates it.

Rule: it logs what was done and observed, and decides nothing that the client decides.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Literal

from tailwire.lab.backend import Backend, BackendFailed
from tailwire.lab.event_log import EventLog, is_text
from tailwire.sdk.app_settings import AppSettingsBuilder
from tailwire.sdk.client import ChatClient
from tailwire.sdk.connection.explain import describe
from tailwire.sdk.connection.history import Transition
from tailwire.sdk.connection.state import Phase
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.listeners.interfaces import LoginListener, MessageListener
from tailwire.sdk.outbox import OutboxEntry, OutboxStatus
from tailwire.sdk.session import MemorySessionStore
from tailwire.testing.line.proxy import FaultProxy
from tailwire.testing.line.shape import Shape
from tailwire.testing.server import ServerProcess
from tailwire.wire.entities import TextMessage

SLOW_APP_SECONDS = 1.5
"""Seconds that the app takes for each received message while it is switched to slow."""
MAX_TEXT_CHARACTERS = 500
MAX_TASKS = 32
MAX_DUMPS = 10


class Refused(Exception):
    """A switch does not exist, or cannot be used now. The message is for the person who wanted to use it."""


class Phone(MessageListener, LoginListener):
    """A phone: a client that reaches the server over a fault proxy, its line.

    Args:
        name: the uid of the phone's user.
        other: the uid of the user they write to.
        server: the server.
        backend: creates and revokes the user's auth tokens.
        log: receives what the user does and what the client reports.
        latency: seconds that its line delays data, each way.

    Attributes:
        line: the fault proxy between the client and the server.
    """

    def __init__(
        self, name: str, other: str, server: ServerProcess, backend: Backend, log: EventLog, latency: float
    ) -> None:
        self.name, self.other = name, other
        self._server, self._backend, self._log = server, backend, log
        self.line = FaultProxy("127.0.0.1", 0)
        self.line.shape(Shape(latency=latency))
        self._store = MemorySessionStore()
        self._chat: ChatClient | None = None
        self._phase = Phase.IDLE
        self._positions = {"app": "foreground", "network": "online", "mode": "auto", "pace": "quick", "token": "good"}
        self._tasks: set[asyncio.Task[None]] = set()
        self._earlier_dumps: deque[dict[str, Any]] = deque(maxlen=MAX_DUMPS)
        self._last_report: tuple[str, float | None] = ("", None)

    # Start and end.

    async def start(self) -> None:
        """Start the line and the client, and log in. Call it once the server listens.

        Raises:
            BackendFailed: if no auth token can be created.
            CometChatException: if the login fails.
        """
        self.line.aim(self._server.port)
        await self.line.start()
        await self._open()
        await self.chat.login_with_auth_token(await self._backend.request_token(self.name))
        self._log_switch()

    async def _open(self) -> None:
        settings = (
            AppSettingsBuilder()
            .override_client_host(self.line.url)
            .auto_establish_socket_connection(self._positions["mode"] == "auto")
            .keep_unsent_messages()
            .build()
        )
        chat = ChatClient(
            self._server.app_id,
            settings,
            session_store=self._store,
            auth_token_provider=lambda: self._backend.request_token(self.name),
        )
        await chat.init()
        self._phase = Phase.IDLE
        chat.connection.subscribe(self._log_transition)
        chat.add_message_listener("lab", self)
        self._chat = chat
        if self._positions["network"] == "offline":
            chat.set_network("offline")

    @property
    def chat(self) -> ChatClient:
        """The client.

        Raises:
            Refused: before `start`, and while the app restarts because its mode was switched.
        """
        if self._chat is None:
            raise Refused("the app is starting")
        return self._chat

    async def close(self) -> None:
        """Cancel pending operations, close the client, and reset the line."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._chat is not None:
            await self._chat.aclose()
        await self.line.close()

    # Switches.

    def do(self, what: str, text: str = "") -> None:
        """Use a switch. Slow operations run in the background; the log shows how they end.

        A switch that sets what is set already has no effect.

        Args:
            what: one of

                - `send`: queue a message to the other user.
                - `foreground`, `background`: the state of the app.
                - `online`, `offline`: the network; the client is notified of it.
                - `tunnel`, `cut`: until `online`, the line delivers nothing, or resets all connections and refuses new
                  ones; the client is not notified.
                - `auto`, `manual`: restart the app with this mode of the connection.
                - `quick`, `slow`: how fast the app processes received messages.
                - `connect`, `disconnect`, `ping`: the calls of the client.
                - `expire`, `revoke`: revoke the auth token; after `expire` the client can get a new one, after
                  `revoke` only by `login`.
                - `login`: log in with a new auth token.
            text: the text of the message for `send`.

        Raises:
            Refused: if there is no such switch, or it cannot be used now.
        """
        if what == "send":
            self._send_text(text)
            return
        if what not in _SWITCHES:
            raise Refused(f"unknown switch {what!r}: use one of send, {', '.join(_SWITCHES)}")
        kind, act = _SWITCHES[what]
        before = self._positions.get(kind, "")
        if before == what:
            return
        self.chat  # noqa: B018 (nothing is switched while the app starts)
        work = act(self, before)
        if work is not None:
            self._start_task(work)
        if kind:  # only now, because `_start_task` may refuse; the task itself starts later
            self._positions[kind] = what
        self._log_switch(what)

    def _log_switch(self, what: str = "") -> None:
        self._log.add("switch", phone=self.name, what=what, now=dict(self._positions))

    def _start_task(self, work: Coroutine[Any, Any, object]) -> None:
        if len(self._tasks) >= MAX_TASKS:
            work.close()
            raise Refused("too many operations are pending on this phone: wait a moment")
        task = asyncio.create_task(self._log_refusal_of(work), name=f"tailwire lab {self.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _log_refusal_of(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            result = await work
        except CometChatException as e:
            self._log_notice(f"{e.code}: {e.message}")
        except (BackendFailed, Refused) as e:
            self._log_notice(str(e))
        else:
            if isinstance(result, str):
                self._log_notice(result)

    def _log_notice(self, text: str) -> None:
        self._log.add("notice", phone=self.name, text=text)

    def _send_text(self, text: str) -> None:
        text = text.strip()
        if not 0 < len(text) <= MAX_TEXT_CHARACTERS:
            raise Refused(f"write something, at most {MAX_TEXT_CHARACTERS} characters")
        if not is_text(text):
            raise Refused("the text contains a lone surrogate and cannot be sent")
        try:
            entry = self.chat.queue_message(TextMessage(receiver=self.other, text=text))
        except CometChatException as e:
            raise Refused(f"{e.code}: {e.message}") from e
        self._log.add("typed", phone=self.name, id=entry.muid, text=text)

    def _change_line(self, network: str, previous_network: str) -> None:
        # Only report what a phone's platform would notice: neither a tunnel nor a cut further away.
        self.line.restore()
        if network in ("offline", "cut"):
            self.line.cut()
        elif network == "tunnel":
            self.line.half_open()
        if network == "offline":
            self.chat.set_network("offline")
        elif network == "online" or previous_network == "offline":
            self.chat.set_network("online")

    async def _restart(self) -> None:
        chat, self._chat = self.chat, None
        self._earlier_dumps.append(_dump_of(chat))
        await chat.aclose()
        self._positions["app"] = "foreground"
        await self._open()
        self._log_switch()

    async def _end_token(self, *, for_good: bool) -> None:
        with self._backend.refusing(self.name, for_good):
            await self._backend.revoke(self.name)
        self._positions["token"] = "revoked" if for_good else "good"
        self._log_switch()

    async def _log_in(self) -> None:
        with self._backend.refusing(self.name, False):
            await self.chat.login_with_auth_token(await self._backend.request_token(self.name))
        self._positions["token"] = "good"
        self._log_switch()

    # Observations.

    def _log_transition(self, transition: Transition) -> None:
        before, self._phase = self._phase, transition.phase
        self._log.add(
            "transition",
            phone=self.name,
            trigger=transition.trigger,
            before=str(before),
            phase=str(transition.phase),
            status=str(transition.status),
            epoch=transition.epoch,
            cause=str(transition.cause) if transition.cause is not None else None,
            why=describe(transition.cause) if transition.cause is not None else "",
            explain=self._chat.connection.explain() if self._chat is not None else "",
        )

    def log_status(self) -> None:
        """Log the client's explanation of its connection and the rest of its background window, if they changed."""
        if self._chat is None:
            return
        connection = self._chat.connection
        left = connection.window_left
        report = (connection.explain(), None if left is None else round(left, 1))
        if report != self._last_report:
            self._last_report = report
            self._log.add("says", keep=False, phone=self.name, explain=report[0], window=report[1])

    async def on_text_message_received(self, message: TextMessage) -> None:
        """Log a message that the client has handed over to the app; wait before if the app is slow."""
        if self._positions["pace"] == "slow":
            await asyncio.sleep(SLOW_APP_SECONDS)  # simulates a busy app
        self._log.add("handed", phone=self.name, id=message.muid, text=message.text)

    def on_queued_message_changed(self, entry: OutboxEntry) -> None:
        """Log that the server has accepted a message of this phone, or that sending it has failed."""
        if entry.status is OutboxStatus.SENT:
            self._log.add("accepted", phone=self.name, id=entry.muid)
        elif entry.status is OutboxStatus.FAILED:
            why = str(entry.error.message if entry.error is not None else "")
            self._log.add("failed", phone=self.name, id=entry.muid, text=why)

    def dumps(self) -> list[dict[str, Any]]:
        """Return a dump of the connection for each start of the app, oldest first (see `Connection.dump`).

        At most `MAX_DUMPS` earlier ones are kept.
        """
        return [*self._earlier_dumps, *([_dump_of(self._chat)] if self._chat is not None else [])]


def _dump_of(chat: ChatClient) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tailwire-lab-") as folder:
        file = Path(folder) / "dump.json"
        chat.connection.dump(file)
        dump: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return dump


def _app_switch(state: Literal["foreground", "background"]) -> tuple[str, _Act]:
    return "app", lambda phone, before: phone.chat.set_app_state(state)


def _network_switch(state: str) -> tuple[str, _Act]:
    return "network", lambda phone, before: phone._change_line(state, before)


_Act = Callable[[Phone, str], "Coroutine[Any, Any, object] | None"]
_RESTART: tuple[str, _Act] = ("mode", lambda phone, before: phone._restart())
_PACE: tuple[str, _Act] = ("pace", lambda phone, before: None)
_SWITCHES: dict[str, tuple[str, _Act]] = {
    "foreground": _app_switch("foreground"),
    "background": _app_switch("background"),
    "online": _network_switch("online"),
    "offline": _network_switch("offline"),
    "tunnel": _network_switch("tunnel"),
    "cut": _network_switch("cut"),
    "auto": _RESTART,
    "manual": _RESTART,
    "quick": _PACE,
    "slow": _PACE,
    "connect": ("", lambda phone, before: phone.chat.connect()),
    "disconnect": ("", lambda phone, before: phone.chat.disconnect()),
    "ping": ("", lambda phone, before: phone.chat.ping()),
    "expire": ("", lambda phone, before: phone._end_token(for_good=False)),
    "revoke": ("", lambda phone, before: phone._end_token(for_good=True)),
    "login": ("", lambda phone, before: phone._log_in()),
}
"""The switches by name: the setting that the switch changes ("" for a one-time action), and a function.

The function gets the phone and the setting's former value, and returns a coroutine to run in the background, or None.
"""
SETTINGS: dict[str, frozenset[str]] = {
    kind: frozenset(word for word, (changed, _) in _SWITCHES.items() if changed == kind)
    for kind in ("app", "network", "mode", "pace")
} | {"token": frozenset({"good", "revoked"})}
"""The possible values of each setting of a phone, by the name of the setting."""
