"""A device of a user: a real client that is started, killed and started again, and what it heard."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextvars import copy_context
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tailwire.sdk.app_settings import AppSettingsBuilder
from tailwire.sdk.calls.parts import identity_of, parts_of
from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.listeners import events as e
from tailwire.sdk.listeners.interfaces import ConnectionListener, MessageListener
from tailwire.sdk.session import MemorySessionStore
from tailwire.testing.virtual.network import owner
from tailwire.testing.virtual.world import VirtualSdkWorld, VirtualServer, virtual_loop
from tailwire.wire.entities import BaseMessage, TextMessage

SMALL_LIMIT = 20


@dataclass(slots=True)
class Send:
    """A message that somebody meant to send.

    Attributes:
        outcome: `pending`, `acknowledged`, `refused`, or `in doubt`: it may be stored or not.
        by, life: which device sent it, and in which of its lives.
        place: to whom, and whether through the outbox: in each place the order is kept.
        kept: it is in the outbox: it has to be stored in the end.
        texts: what it may read as: edits add to it; "" when it was deleted.
    """

    by: str
    life: int
    place: str
    muid: str
    texts: set[str]
    outcome: str = "pending"
    id: int = 0
    kept: bool = False


@dataclass(slots=True)
class Heard:
    """A message that a listener heard."""

    at: float
    life: int
    id: int
    text: str
    conversation: str


@dataclass(slots=True)
class Owed:
    """What must be heard of one login: messages after `after`, up to `until`, but for gaps that were told."""

    after: int
    until: int | None = None


class _Listener(ConnectionListener, MessageListener):
    def __init__(self, person: Person, life: int) -> None:
        self._person = person
        self._life = life

    async def _note(self, message: BaseMessage) -> None:
        person = self._person
        text = message.text if isinstance(message, TextMessage) else ""
        heard = Heard(virtual_loop().time(), self._life, message.id, text, message.conversation_id)
        person.heard.append(heard)
        person.log("heard", message.id, text)
        if person.blocks:
            try:
                await asyncio.sleep(person.blocks)
            except asyncio.CancelledError:
                person.again.add(message.id)  # closed amid the callback, which did not end in time
                raise
        if person.raises:
            raise ZeroDivisionError("a listener of the app")

    async def on_text_message_received(self, message: TextMessage) -> None:
        await self._note(message)

    def on_history_gap(self, gap: e.HistoryGap) -> None:
        self._person.gaps.append((gap.from_id, gap.to_id))
        self._person.log("gap", gap.from_id, gap.to_id)

    def on_connected(self) -> None:
        self._person.status(self._life, "connected")

    def on_connecting(self) -> None:
        self._person.status(self._life, "connecting")

    def on_disconnected(self) -> None:
        self._person.status(self._life, "disconnected")

    def on_feature_throttled(self) -> None:
        self._person.status(self._life, "featureThrottled")

    def on_connection_error(self, exception: CometChatException) -> None:
        self._person.log("error", exception.code)


@dataclass
class Person:
    """A device.

    Attributes:
        life: how often its app was started.
        heard, gaps, statuses: by all its lives.
        ends: when a connection of it ended.
        devices: the resources of its lives.
        owed: what it must have heard.
        asking: how often its token provider is being asked, by each of its lives.
        most_asking: the most that one life did at once.
        again: ids that a killed life had heard and not noted: they may come once more (K1).
    """

    name: str
    server: VirtualServer
    seed: int
    trace: list[tuple[Any, ...]]
    store: MemorySessionStore = field(default_factory=MemorySessionStore)
    life: int = 0
    chat: ChatClient | None = None
    heard: list[Heard] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    statuses: list[tuple[int, str]] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    devices: set[str] = field(default_factory=set)
    owed: list[Owed] = field(default_factory=list)
    again: set[int] = field(default_factory=set)
    asking: Counter[int] = field(default_factory=Counter)
    most_asking: int = 0
    blocks: float = 0.0
    raises: bool = False
    closing: bool = False
    calls: list[asyncio.Task[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context = copy_context()
        self.world = VirtualSdkWorld(self.seed)

    @property
    def uid(self) -> str:
        """The user."""
        return self.name.partition("-")[0]

    @property
    def auto(self) -> bool:
        """The mode of the connection."""
        return not self.name.endswith("-desk")

    @property
    def has_outbox(self) -> bool:
        """Whether it keeps what cannot be sent yet."""
        return self.name.endswith("-phone") and self.uid != "bob"

    @property
    def has_provider(self) -> bool:
        """Whether it gets a new token before the old one ends, or when it is rejected."""
        return self.has_outbox

    async def _provide(self) -> str:
        # What the app's backend does: it can be slow, and it can be down.
        self.log("asked for a token")
        life = self.life
        self.asking[life] += 1
        try:
            await asyncio.sleep(self.world.chance() ** 8 * 30)
            return await self.server.token_for(self.uid)
        finally:
            self.most_asking = max(self.most_asking, self.asking[life])
            self.asking[life] -= 1

    def log(self, what: str, *more: Any) -> None:
        """Note something for the trace of the run."""
        self.trace.append((round(virtual_loop().time(), 6), self.name, what, *more))

    def status(self, life: int, status: str) -> None:
        """The listener heard a status."""
        self.statuses.append((life, status))
        if status == "disconnected":
            self.ends.append(virtual_loop().time())
        self.log("status", status)

    def run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do something as this device; it dies with it."""
        task = virtual_loop().create_task(work, context=self.context)
        self.calls.append(task)
        return task

    # The app's life.

    def start(self) -> None:
        """Start the app."""
        if self.chat is not None or self.closing:
            return
        self.life += 1
        self.context = copy_context()
        self.context.run(owner.set, f"{self.name}#{self.life}")
        builder = AppSettingsBuilder().override_client_host(self.server.url)
        builder.auto_establish_socket_connection(self.auto).subscribe_presence_for_all_users()
        if self.uid == "bob":
            builder.catch_up_after_reconnect(limit=SMALL_LIMIT)
        if self.has_outbox:
            builder.keep_unsent_messages()
        store = MemorySessionStore()
        store.__dict__.update(deepcopy(self.store.__dict__))
        self.store = store
        self.chat = self.context.run(
            partial(
                ChatClient,
                self.server.app_id,
                builder.build(),
                session_store=store,
                auth_token_provider=self._provide if self.has_provider else None,
                world=self.world,
            )
        )
        self.devices.add(identity_of(self.chat).resource)
        chat, listener = self.chat, _Listener(self, self.life)

        async def begin() -> None:
            await chat.init()
            chat.add_connection_listener("sim", listener)
            chat.add_message_listener("sim", listener)

        self.run(begin())

    def kill(self) -> None:
        """As kill -9 of the app."""
        if self.chat is None:
            return
        chat, self.chat = self.chat, None
        kept = self.store
        self.store = MemorySessionStore()
        self.store.__dict__.update(deepcopy(kept.__dict__))  # what is saved from now on is lost
        saved = (self.store.load(self.server.app_id) or {}).get("position") or {}
        last = int(saved.get("last_id", 0))
        self.again |= {h.id for h in self.heard if h.life == self.life and h.id > last}
        for kind in ("connection", "message"):
            getattr(chat, f"remove_{kind}_listener")("sim")
        virtual_loop().kill(f"{self.name}#{self.life}")
        self.ends.append(virtual_loop().time())
        self.log("killed")

    async def close(self) -> None:
        """Close the app in order."""
        chat, self.chat = self.chat, None
        if chat is not None:
            self.closing = True
            await self.run(chat.aclose())
            self.ends.append(virtual_loop().time())
            self.closing = False

    # Login.

    async def log_in(self, *, anew: bool = False) -> None:
        """Log the user in: from now on nothing is missed.

        Args:
            anew: with a new token, also where they are logged in.
        """
        if self.chat is None:
            return
        chat, life = self.chat, self.life
        try:
            if anew:
                await chat.login_with_auth_token(await self.server.token_for(self.uid))
            else:
                await chat.login(self.uid, auth_key=self.server.auth_key)
        except CometChatException as error:
            self.log("no login", error.code)
            return
        position = parts_of(chat).sessions.require().position
        if life == self.life and position is not None:
            self.end_owed()
            self.owed.append(Owed(position.last_id))
            self.log("logged in", position.last_id)

    def end_owed(self) -> None:
        """What came later than the last that was heard is not owed any more."""
        if self.owed and self.owed[-1].until is None:
            self.owed[-1].until = max((h.id for h in self.heard), default=0)

    async def log_out(self) -> None:
        """Log out."""
        if self.chat is None:
            return
        self.end_owed()
        try:
            await self.chat.logout()
        except CometChatException as error:
            self.log("no logout", error.code)
