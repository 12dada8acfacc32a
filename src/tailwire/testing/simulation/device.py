"""A user's device: a real client that is started, killed and restarted, and a record of what it received."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Coroutine
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tailwire.sdk.app_settings import AppSettingsBuilder
from tailwire.sdk.calls.parts import identity_of, parts_of
from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.listeners import events as e
from tailwire.sdk.listeners.interfaces import ConnectionListener, MessageListener
from tailwire.sdk.session import MemorySessionStore
from tailwire.testing.simulation.contents import content_of, text_of
from tailwire.testing.simulation.device_store import DeviceStore, ProcessFiles, for_next_process
from tailwire.testing.simulation.other_events import OtherEvents, Stream
from tailwire.testing.simulation.records import Expected, ReceivedChange, ReceivedMessage
from tailwire.testing.virtual.network import current_process
from tailwire.testing.virtual.world import VirtualSdkWorld, VirtualServer, virtual_loop
from tailwire.wire.entities import BaseMessage, MediaMessage, TextMessage

if TYPE_CHECKING:
    from tailwire.testing.simulation.second_process import SecondProcess

SMALL_CATCH_UP_LIMIT, CATCH_UP_LIMIT = 20, 1000


class _Listener(ConnectionListener, MessageListener):
    def __init__(self, device: Device, life: int) -> None:
        self._device = device
        self._life = life

    async def _record_message(self, message: BaseMessage) -> None:
        device = self._device
        text, content = text_of(message), content_of(message)
        now, parent = virtual_loop().time(), message.parent_message_id
        received = ReceivedMessage(now, self._life, message.id, text, message.conversation_id, parent, content)
        device.received.append(received)
        device.log("received", message.id, text)
        if device.blocks:
            try:
                await asyncio.sleep(device.blocks)
            except asyncio.CancelledError:
                device.may_repeat[message.id] += 1  # closed during the callback, which did not finish in time
                raise
        if device.raises:
            raise ZeroDivisionError("a listener of the app")

    async def on_text_message_received(self, message: TextMessage) -> None:
        await self._record_message(message)

    async def on_media_message_received(self, message: MediaMessage) -> None:
        await self._record_message(message)

    def on_history_gap(self, gap: e.HistoryGap) -> None:
        if gap.only_changes:
            self._device.end_expected_changes()
            self._device.change_gaps.append((gap.from_id, gap.to_id))
        else:
            self._device.gaps.append((gap.from_id, gap.to_id))
            self._device.gaps_at.append((self._life, virtual_loop().time()))
        self._device.log("gap", gap.from_id, gap.to_id)

    def on_connected(self) -> None:
        self._device.record_status(self._life, "connected")

    def on_connecting(self) -> None:
        self._device.record_status(self._life, "connecting")

    def on_disconnected(self) -> None:
        self._device.record_status(self._life, "disconnected")

    def on_feature_throttled(self) -> None:
        self._device.record_status(self._life, "featureThrottled")

    def on_connection_error(self, exception: CometChatException) -> None:
        self._device.errors.append((virtual_loop().time(), exception.code))
        self._device.log("error", exception.code)


@dataclass
class Device:
    """A device.

    Attributes:
        store: keeps its session.
        life: number of starts of its app.
        claimed: set, except while its app is claiming the session.
        closing: whether its app is closing and still has the session.
        process: the process of its app.
        second: another process of its app, which waits for the session.
        second_processes: number of second processes that were started.
        received, gaps, statuses: what all starts of its app have received.
        gaps_at: of each gap, the start of its app, and the time.
        change_gaps: reported gaps in which only changes are missing.
        changes: the changes that it received.
        errors: the codes of the errors of its connection, each after its virtual time.
        ends: the virtual times at which its connections ended, or its app was killed or closed.
        resources: the resources of all starts.
        expected: ranges of ids that it must receive.
        token_requests: pending calls of its token provider, by life.
        token_requested_until: the virtual time at which the last call of its token provider ended; -inf before.
        max_token_requests: the most pending calls at once in one life.
        all_token_requests: the number of calls that were begun.
        streams: what the event stream of each start of its app has shown.
        large_catch_up_limit: the limit of catch-up on devices whose limit is not small.
        blocks: seconds for which its message listener waits at each message.
        raises: whether its message listener raises an exception at each message.
        calls: the tasks of its calls.
        unsaved: the virtual times at which it removed a message from the saved ones, by the message's id.
        may_repeat: how many killed lives received an id before their position was saved; each may repeat it once (K1).
    """

    name: str
    server: VirtualServer
    seed: int
    trace: list[tuple[Any, ...]]
    store: DeviceStore = field(default_factory=MemorySessionStore)
    life: int = 0
    chat: ChatClient | None = None
    received: list[ReceivedMessage] = field(default_factory=list)
    changes: list[ReceivedChange] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    gaps_at: list[tuple[int, float]] = field(default_factory=list)
    change_gaps: list[tuple[int, int]] = field(default_factory=list)
    statuses: list[tuple[int, str]] = field(default_factory=list)
    errors: list[tuple[float, str]] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    resources: set[str] = field(default_factory=set)
    expected: list[Expected] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    may_repeat: Counter[int] = field(default_factory=Counter)
    unsaved: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    token_requests: Counter[int] = field(default_factory=Counter)
    max_token_requests: int = 0
    all_token_requests: int = 0
    token_requested_until: float = float("-inf")
    large_catch_up_limit: int = CATCH_UP_LIMIT
    blocks: float = 0.0
    raises: bool = False
    claimed: asyncio.Event = field(default_factory=asyncio.Event)
    closing: bool = False
    process: str = ""
    second: SecondProcess | None = None
    second_processes: int = 0
    calls: list[asyncio.Task[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.claimed.set()
        self.context = copy_context()
        self.world = VirtualSdkWorld(self.seed)

    @property
    def uid(self) -> str:
        """The uid of the device's user."""
        return self.name.partition("-")[0]

    @property
    def catch_up_limit(self) -> int:
        """The maximum number of missed messages that are handed over at once."""
        return SMALL_CATCH_UP_LIMIT if self.uid == "bob" else self.large_catch_up_limit

    @property
    def auto(self) -> bool:
        """Whether the connection is in auto mode."""
        return not self.name.endswith("-desk")

    @property
    def has_outbox(self) -> bool:
        """Whether it queues messages that cannot be sent yet."""
        return self.name.endswith("-phone") and self.uid != "bob"

    @property
    def has_provider(self) -> bool:
        """Whether it renews its token before it expires or when it is rejected."""
        return self.has_outbox

    async def _request_token(self) -> str:
        # The app's backend, which may be slow or down.
        self.log("asked for a token")
        life = self.life
        self.token_requests[life] += 1
        self.all_token_requests += 1
        try:
            await asyncio.sleep(self.world.chance() ** 8 * 30)
            return await self.server.token_for(self.uid)
        finally:
            self.max_token_requests = max(self.max_token_requests, self.token_requests[life])
            self.token_requests[life] -= 1
            self.token_requested_until = virtual_loop().time()

    def log(self, what: str, *more: Any) -> None:
        """Add an entry to the trace of the run."""
        self.trace.append((round(virtual_loop().time(), 6), self.name, what, *more))

    def record_status(self, life: int, status: str) -> None:
        """Record a status that the listener received."""
        self.statuses.append((life, status))
        if status == "disconnected":
            self.ends.append(virtual_loop().time())
        self.log("status", status)

    def run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine as this device; it is cancelled when the device is killed."""
        task = virtual_loop().create_task(work, context=self.context)
        self.calls.append(task)
        return task

    # The app's life.

    def start(self) -> None:
        """Start the app."""
        if self.chat is not None or self.closing:
            return
        self.store = for_next_process(self.store)
        context = copy_context()
        process = f"{self.name}#{self.life + 1}"
        context.run(current_process.set, process)
        self._run_app(context.run(self.make_client, self.store), process, context)

    def make_client(self, store: DeviceStore) -> ChatClient:
        """Return a client of its app."""
        builder = AppSettingsBuilder().override_client_host(self.server.url)
        builder.auto_establish_socket_connection(self.auto).subscribe_presence_for_all_users()
        builder.catch_up_after_reconnect(limit=self.catch_up_limit)
        if self.has_outbox:
            builder.keep_unsent_messages()
        return ChatClient(
            self.server.app_id,
            builder.build(),
            session_store=store,
            auth_token_provider=self._request_token if self.has_provider else None,
            world=self.world,
        )

    @property
    def holds_session(self) -> bool:
        """Whether a process of its app has the session."""
        return self.chat is not None or self.closing

    def take_over(self, chat: ChatClient, store: DeviceStore, process: str, context: Context) -> None:
        """Let a second process, which has the session now, become the app of the device."""
        self.store = store
        self._run_app(chat, process, context)
        self.log("taken over")

    def _run_app(self, chat: ChatClient, process: str, context: Context) -> None:
        self.life += 1
        self.chat, self.process, self.context = chat, process, context
        self.resources.add(identity_of(chat).resource)
        listener, others = _Listener(self, self.life), OtherEvents(self._record)
        self.claimed.clear()

        async def begin() -> None:
            await chat.init()
            self.claimed.set()
            chat.add_connection_listener("sim", listener)
            chat.add_message_listener("sim", listener)
            chat.add_message_listener("others", others)
            chat.add_group_listener("others", others)

        stream = Stream(self._record)
        self.streams.append(stream)
        stream.task = virtual_loop().create_task(stream.follow(chat.events()), context=self.context)
        self.run(begin())

    def kill(self) -> None:
        """Kill the app, as SIGKILL does."""
        if self.chat is None:
            return
        chat, self.chat = self.chat, None
        self.claimed.set()
        if isinstance(self.store, ProcessFiles):
            self.store.end_process()
        self.store = for_next_process(self.store)
        saved = (self.store.load(self.server.app_id) or {}).get("position") or {}
        last = int(saved.get("last_id", 0))
        self.may_repeat.update({h.id for h in self.received if h.life == self.life and h.id > last})
        for kind in ("connection", "message"):
            getattr(chat, f"remove_{kind}_listener")("sim")
        for kind in ("group", "message"):
            getattr(chat, f"remove_{kind}_listener")("others")
        virtual_loop().kill(self.process)
        self.ends.append(virtual_loop().time())
        self.log("killed")

    async def close(self) -> None:
        """Close the app."""
        chat, self.chat = self.chat, None
        if chat is not None:
            self.closing = True
            await self.run(self._close(chat))
            self.ends.append(virtual_loop().time())

    async def _close(self, chat: ChatClient) -> None:
        await chat.aclose()
        self.closing = False  # at once: another process may have the session from now on

    # Login.

    async def log_in(self, *, new_token: bool = False) -> bool:
        """Log in. Every later message must be received. Return whether it has succeeded.

        Args:
            new_token: log in with a new token, even if already logged in.
        """
        if self.chat is None:
            return False
        chat, life = self.chat, self.life
        try:
            if new_token:
                await chat.login_with_auth_token(await self.server.token_for(self.uid))
            else:
                await chat.login(self.uid, auth_key=self.server.auth_key)
        except CometChatException as error:
            self.log("no login", error.code)
            return False
        position = parts_of(chat).sessions.require().position
        if life == self.life and position is not None:
            self.end_expected()
            self.expected.append(Expected(position.last_id, changes=position.changes, since=virtual_loop().time()))
            self.log("logged in", position.last_id)
        return True

    def _record(self, key: tuple[Any, ...], value: Any) -> None:
        self.changes.append(ReceivedChange(key, value, virtual_loop().time(), self.life))
        self.log("told", *key, value)

    def end_expected_changes(self) -> None:
        """Expect no more changes until the next login."""
        if self.expected:
            self.expected[-1].changes = None

    def end_expected(self) -> None:
        """Expect no message after the last one that was received."""
        if self.expected and self.expected[-1].until is None:
            self.expected[-1].until = max((h.id for h in self.received), default=0)

    async def log_out(self) -> None:
        """Log out."""
        if self.chat is None:
            return
        self.end_expected()
        try:
            await self.chat.logout()
        except CometChatException as error:
            self.log("no logout", error.code)
