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
    """A user's device, whose app can be started again and again. A start of the app, until its end, is called a life.

    Attributes:
        name: one of `DEVICES`.
        server: the server.
        seed: the seed of its client's randomness.
        trace: the trace of the run (see `Simulation.trace`).
        store: keeps the session of its app.
        life: the number of the current or last life; 0 before the first.
        chat: the client of its app; None while the app does not run.
        claimed: set, except while its app is claiming the session.
        closing: whether its app is closing and still has the session.
        process: the simulated process of its app (see `network.current_process`).
        second: another process of its app, which waits for the session; None if there is none.
        second_processes: number of second processes that were started.
        received: the messages that the listeners of all lives have received, in order.
        gaps: the gaps that were reported to all lives, each as (from, to]: ids above the first up to the second.
        gaps_at: for each of `gaps`, the life and the virtual time.
        change_gaps: the reported gaps in which only changes are missing, in the same form.
        statuses: the statuses that were reported, each with the life before it.
        changes: the changes that the listeners of all lives have received, in order.
        errors: the reported errors of its connections: the virtual time, and the code.
        ends: the virtual times at which its connections ended, or its app was killed or closed.
        resources: the resources of its clients in all lives: the names by which the server tells devices apart.
        expected: for each login, the ids that the device must receive.
        token_requests: number of pending calls of its token provider, by life.
        token_requested_until: the virtual time at which the last call of its token provider ended; -inf before.
        max_token_requests: the highest number of pending calls of the token provider in one life.
        all_token_requests: the number of calls of its token provider that were begun.
        streams: what the event stream of each life has reported, in order of the lives.
        large_catch_up_limit: the limit of catch-up on devices whose limit is not small (see `catch_up_limit`).
        blocks: seconds for which its message listener waits at each message.
        raises: whether its message listener raises an exception at each message.
        calls: the tasks of all calls that were made with `run`.
        unsaved: by the id of a message, the virtual times at which the device removed it from the saved messages.
        may_repeat: by the id of a message, how often it may be received again, because a life that had received it
            ended before its position was saved (K1).
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
        """The maximum number of missed messages that catch-up hands over; it reports a gap for older ones."""
        return SMALL_CATCH_UP_LIMIT if self.uid == "bob" else self.large_catch_up_limit

    @property
    def auto(self) -> bool:
        """Whether the connection is in auto mode; otherwise in manual mode."""
        return not self.name.endswith("-desk")

    @property
    def has_outbox(self) -> bool:
        """Whether its client keeps messages that cannot be sent yet."""
        return self.name.endswith("-phone") and self.uid != "bob"

    @property
    def has_provider(self) -> bool:
        """Whether its client has a token provider, with which it renews its auth token."""
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
        """Add an entry to the trace of the run, with the virtual time and the device's name."""
        self.trace.append((round(virtual_loop().time(), 6), self.name, what, *more))

    def record_status(self, life: int, status: str) -> None:
        """Record a connection status that the listener of a life received."""
        self.statuses.append((life, status))
        if status == "disconnected":
            self.ends.append(virtual_loop().time())
        self.log("status", status)

    def run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task in the process of this device's app, and return it. Killing the app cancels it."""
        task = virtual_loop().create_task(work, context=self.context)
        self.calls.append(task)
        return task

    # The app's life.

    def start(self) -> None:
        """Begin a new life of the app, without waiting. Without effect while the app runs or is closing."""
        if self.chat is not None or self.closing:
            return
        self.store = for_next_process(self.store)
        context = copy_context()
        process = f"{self.name}#{self.life + 1}"
        context.run(current_process.set, process)
        self._run_app(context.run(self.make_client, self.store), process, context)

    def make_client(self, store: DeviceStore) -> ChatClient:
        """Return a new client with this device's settings, which keeps its session in `store`."""
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
        """Whether a process of its app runs and so has claimed the session."""
        return self.chat is not None or self.closing

    def take_over(self, chat: ChatClient, store: DeviceStore, process: str, context: Context) -> None:
        """Let a second process, which has claimed the session, become the app of the device: a new life.

        Args:
            chat: the client of that process.
            store: the store of its session.
            process: the name of the process (see `network.current_process`).
            context: the context in which the process runs.
        """
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
        """Kill the app, as SIGKILL does: what it has not saved is lost. Without effect if it does not run."""
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
        """Close the app gracefully, and wait until it has ended. Without effect if it does not run."""
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
        """Log in the device's user. From then on each message to them must be received (`expected`).

        Args:
            new_token: whether to log in with a new auth token; otherwise with the auth key, which has no effect if the
                user is logged in.

        Returns:
            False if the app does not run, or the login has failed.
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
        """No longer require that the device receives each change, until the next login."""
        if self.expected:
            self.expected[-1].changes = None

    def end_expected(self) -> None:
        """Require no messages newer than the newest one that was received, until the next login."""
        if self.expected and self.expected[-1].until is None:
            self.expected[-1].until = max((h.id for h in self.received), default=0)

    async def log_out(self) -> None:
        """Log out, and require no further messages. Refusals are only added to the trace."""
        if self.chat is None:
            return
        self.end_expected()
        try:
            await self.chat.logout()
        except CometChatException as error:
            self.log("no logout", error.code)
