"""Stages for tests: a server and its clients, on virtual time or real, with ears that record what listeners receive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers.postgres import name_of
from servers.prepared import PreparedServer
from tailwire import (
    AppSettingsBuilder,
    ChatClient,
    CometChatException,
    ConnectionListener,
    ConnectionStatus,
    GroupListener,
    LoginListener,
    MemorySessionStore,
    MessageListener,
    TextMessage,
    UserListener,
)
from tailwire.admin import Admin
from tailwire.testing.virtual.world import VirtualSdkWorld, VirtualServer, virtual_loop

CONNECTED, CONNECTING, DISCONNECTED = (
    ConnectionStatus.CONNECTED,
    ConnectionStatus.CONNECTING,
    ConnectionStatus.DISCONNECTED,
)


class Ears(ConnectionListener, LoginListener, UserListener, GroupListener, MessageListener):
    """Records what listeners receive.

    Attributes:
        heard: everything in order: the loop's time, the kind, and the value.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[float, str, Any]] = []
        self._changed = asyncio.Event()

    def _record(self, what: str, value: Any = None) -> None:
        self.heard.append((asyncio.get_running_loop().time(), what, value))
        self._changed.set()
        self._changed = asyncio.Event()

    def on_connected(self):
        self._record("status", CONNECTED)

    def on_connecting(self):
        self._record("status", CONNECTING)

    def on_disconnected(self):
        self._record("status", DISCONNECTED)

    def on_feature_throttled(self):
        self._record("status", ConnectionStatus.FEATURE_THROTTLED)

    def on_connection_error(self, exception):
        self._record("error", exception)

    def login_success(self, user):
        self._record("login", user.uid)

    def login_failure(self, exception):
        self._record("login failure", exception.code)

    def logout_success(self):
        self._record("logout")

    def logout_failure(self, exception):
        self._record("logout failure", exception.code)

    def on_user_online(self, user):
        self._record("online", user.uid)

    def on_user_away(self, user):
        self._record("away", user.uid)

    def on_user_offline(self, user):
        self._record("offline", user.uid)

    def on_group_member_joined(self, action, joined_user, joined_group):
        self._record("joined", (joined_user.uid, joined_group.guid))

    def on_group_member_left(self, action, left_user, left_group):
        self._record("left", (left_user.uid, left_group.guid))

    def on_group_member_kicked(self, action, kicked_user, kicked_by, kicked_from):
        self._record("kicked", (kicked_user.uid, kicked_by.uid, kicked_from.guid))

    def on_group_member_banned(self, action, banned_user, banned_by, banned_from):
        self._record("banned", (banned_user.uid, banned_by.uid, banned_from.guid))

    def on_group_member_unbanned(self, action, unbanned_user, unbanned_by, unbanned_from):
        self._record("unbanned", (unbanned_user.uid, unbanned_by.uid, unbanned_from.guid))

    def on_group_member_scope_changed(self, action, updated_by, updated_user, changed_to, changed_from, group):
        self._record("scope", (updated_user.uid, updated_by.uid, changed_to, changed_from, group.guid))

    def on_member_added_to_group(self, action, added_by, user_added, added_to):
        self._record("added", (user_added.uid, added_by.uid, added_to.guid))

    def on_text_message_received(self, message):
        self._record("text", message)

    def on_media_message_received(self, message):
        self._record("media", message)

    def on_custom_message_received(self, message):
        self._record("custom", message)

    def on_message_edited(self, message):
        self._record("edited", message)

    def on_message_deleted(self, message):
        self._record("deleted", message)

    def on_typing_started(self, indicator):
        self._record("typing", indicator.sender.uid)

    def on_typing_ended(self, indicator):
        self._record("typing ended", indicator.sender.uid)

    def on_messages_delivered(self, receipt):
        self._record("delivered", receipt)

    def on_messages_read(self, receipt):
        self._record("read", receipt)

    def on_interactive_message_received(self, message):
        self._record("interactive", message)

    def on_messages_delivered_to_all(self, receipt):
        self._record("delivered to all", receipt)

    def on_messages_read_by_all(self, receipt):
        self._record("read by all", receipt)

    def on_transient_message_received(self, message):
        self._record("transient", message)

    def on_draft_changed(self, draft):
        self._record("draft", draft)

    def on_message_reaction_added(self, event):
        self._record("reaction", (True, event))

    def on_message_reaction_removed(self, event):
        self._record("reaction", (False, event))

    def on_message_pinned(self, message):
        self._record("pinned", message.id)

    def on_message_unpinned(self, message):
        self._record("unpinned", message.id)

    def on_message_saved(self, message):
        self._record("saved", message.id)

    def on_message_unsaved(self, message):
        self._record("unsaved", message.id)

    def on_queued_message_changed(self, entry):
        self._record("queued", entry)

    def on_history_gap(self, gap):
        self._record("gap", gap)

    def all(self, what: str) -> list[Any]:
        """Return the recorded values of a kind, such as `text` or `online`, in order."""
        return [value for _, name, value in self.heard if name == what]

    @property
    def texts(self) -> list[str]:
        """The received texts, in order."""
        return [m.text for m in self.all("text")]

    @property
    def statuses(self) -> list[ConnectionStatus]:
        """The received statuses, in order."""
        return self.all("status")

    async def until(self, condition: Callable[[], bool], timeout: float = 30) -> None:
        """Wait until a condition holds. It is checked at once, and whenever something was recorded.

        Raises:
            TimeoutError: it does not hold within `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while not condition():
                await self._changed.wait()


@dataclass
class Actor:
    """A client and the ears that listen to it."""

    chat: ChatClient
    ears: Ears = field(default_factory=Ears)

    @property
    def status(self) -> ConnectionStatus:
        return self.chat.get_connection_status()

    def listen(self) -> None:
        for kind in ("connection", "login", "user", "group", "message"):
            getattr(self.chat, f"add_{kind}_listener")("ears", self.ears)

    async def say(self, receiver: str, text: str, receiver_type: str = "user", **more: Any) -> TextMessage:
        message = TextMessage(receiver=receiver, receiver_type=receiver_type, text=text, **more)
        return await self.chat.send_message(message)

    async def say_or_not(self, receiver: str, text: str, stored: list[TextMessage]) -> None:
        """Send, and add the message to `stored` if it is acknowledged. It is ignored if the server cannot be reached."""
        message = TextMessage(receiver=receiver, text=text, muid=text)
        try:
            stored.append(await self.chat.send_message(message))
        except CometChatException as error:
            if error.code not in ("NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE"):
                raise

    async def wait_connected(self) -> None:
        """Wait until the client is connected.

        Raises:
            TimeoutError: it is not connected within 30 s.
        """
        await self.ears.until(lambda: self.status is CONNECTED)


class Cast:
    """What both stages have in common: clients of a server.

    Attributes:
        server: the server.
        actors: the clients that were made, which are closed at the end.
    """

    server: Any
    actors: list[Actor]

    def actor(self, **settings: Any) -> Actor:
        """Return a client that is not initialized."""
        raise NotImplementedError

    async def enter(self, uid: str, **settings: Any) -> Actor:
        """Return a client that is logged in, and in auto mode connected.

        Args:
            uid: the user.
            settings: see `actor`.
        """
        actor = self.actor(**settings)
        await actor.chat.init()
        actor.listen()
        await actor.chat.login(uid, auth_key=self.server.auth_key)
        if settings.get("auto", True):
            await actor.wait_connected()
        return actor


class Stage(Cast):
    """A server and clients on a virtual loop."""

    uids = ("alice", "bob", "carol")

    def __init__(self, folder: Path) -> None:
        self.server = VirtualServer(folder)
        self.actors: list[Actor] = []
        self.admins: list[Admin] = []
        self.postgres: Any = None  # the PostgreSQL of the server, unless it is on SQLite

    async def set_read_only(self, *, on: bool) -> None:
        """Make the database of the server read-only, or writable again."""
        if self.postgres is None:
            self.server.parts.store.database.writing.execute(f"PRAGMA query_only = {int(on)}")
            return
        name = name_of(self.server._settings.database)
        change = "SET default_transaction_read_only = on" if on else "RESET default_transaction_read_only"
        self.postgres.sql(f"ALTER DATABASE {name} {change}")
        self.postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    async def clean_up(self) -> None:
        """Remove what is too old or too much: on PostgreSQL the store does so every 30 s, on SQLite as it writes."""
        if self.postgres is not None:
            await self.server.parts.store.upkeep.clean()

    @property
    def network(self):
        return virtual_loop().network

    @property
    def now(self) -> float:
        return virtual_loop().time()

    def settings(self, *, auto: bool = True, **more: Any):
        """Return client settings for the server.

        Args:
            auto: whether the connection is in auto mode.
            more: `presence` (`friends`, a list of roles, or True for all users), `catch_up` and `limit` of the catch-up,
                `outbox` (True, or its limit), `polls`, and `attempts` to reconnect.
        """
        builder = AppSettingsBuilder().override_client_host(self.server.url).auto_establish_socket_connection(auto)
        presence = more.get("presence")
        if presence == "friends":
            builder.subscribe_presence_for_friends()
        elif isinstance(presence, list):
            builder.subscribe_presence_for_roles(presence)
        elif presence:
            builder.subscribe_presence_for_all_users()
        if "catch_up" in more:
            builder.catch_up_after_reconnect(more["catch_up"])
        if "limit" in more:
            builder.catch_up_after_reconnect(limit=more["limit"])
        if more.get("outbox"):
            builder.keep_unsent_messages(limit=1000 if more["outbox"] is True else more["outbox"])
        if "polls" in more:
            builder.poll_where_web_sockets_are_refused(more["polls"])
        if "attempts" in more:
            builder.set_max_reconnection_attempts(more["attempts"])
        return builder.build()

    def actor(self, *, store: Any = None, provider: Any = None, world: Any = None, **settings: Any) -> Actor:
        """Return a client that is not initialized."""
        chat = ChatClient(
            self.server.app_id,
            self.settings(**settings),
            session_store=MemorySessionStore() if store is None else store,
            auth_token_provider=provider,
            world=world or VirtualSdkWorld(len(self.actors)),
        )
        actor = Actor(chat)
        self.actors.append(actor)
        return actor

    def admin(self, key: str = "") -> Admin:
        """Return a backend's client, with the REST key or another one."""
        world = VirtualSdkWorld(1000 + len(self.admins))
        admin = Admin(self.server.app_id, self.settings(), key or self.server.api_key, world=world)
        self.admins.append(admin)
        return admin

    async def pass_time(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)

    async def __aenter__(self) -> Stage:
        await self.server.start()
        await self.server.add_users(*self.uids)
        return self

    async def __aexit__(self, *error: Any) -> None:
        for actor in self.actors:
            await actor.chat.aclose()
        for admin in self.admins:
            await admin.aclose()
        await self.server.stop()
        if error[0] is None:
            await asyncio.sleep(200)  # whatever is in flight arrives
            left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            assert not left, f"left behind: {left}"
            assert not virtual_loop().pending_timers(), f"left behind: {virtual_loop().pending_timers()}"


class LiveStage(Cast):
    """A real server in its own process, and clients over real sockets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = PreparedServer(folder, None, "--demo-users")
        self.actors: list[Actor] = []

    def actor(self, *, url: str = "", auto: bool = True, store: Any = None, presence: bool = False) -> Actor:
        """Return a client that is not initialized."""
        builder = AppSettingsBuilder().override_client_host(url or self.server.url)
        builder.auto_establish_socket_connection(auto)
        if presence:
            builder.subscribe_presence_for_all_users()
        store = MemorySessionStore() if store is None else store
        actor = Actor(ChatClient(self.server.app_id, builder.build(), session_store=store))
        self.actors.append(actor)
        return actor

    async def __aenter__(self) -> LiveStage:
        await self.server.start()
        return self

    async def __aexit__(self, *error: Any) -> None:
        for actor in self.actors:
            await actor.chat.aclose()
        await self.server.kill()
        if error[0] is not None:
            print("\n".join(self.server.log[-40:]))
