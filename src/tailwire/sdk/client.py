"""`ChatClient`: makes its parts at `init()`, and closes them. Its other methods are generated (`methods`)."""

from __future__ import annotations

import asyncio
import ssl as ssl_module
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any
from weakref import WeakSet

from tailwire import __version__
from tailwire.sdk.all_calls import AllCalls
from tailwire.sdk.app_settings import AppSettings
from tailwire.sdk.assembly import assemble
from tailwire.sdk.calls.checks import decoded
from tailwire.sdk.calls.connection import Connection
from tailwire.sdk.calls.listening import ListenerCalls
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.calls.upload_request import UploadFileRequest
from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.connection.timings import Timings
from tailwire.sdk.dispatch.callbacks import LateListener, ListenerRegistries
from tailwire.sdk.exceptions import failure, init_failed
from tailwire.sdk.gate import Gate
from tailwire.sdk.io.proxies import UnusableProxy
from tailwire.sdk.io.tls import checked_context
from tailwire.sdk.io.world import Identity, World, this_world
from tailwire.sdk.listeners.interfaces import ConnectionListener
from tailwire.sdk.listeners.registry import Streams
from tailwire.sdk.live.calling import LiveLists
from tailwire.sdk.methods import ClientMethods
from tailwire.sdk.session import SessionStore
from tailwire.sdk.session_holder import SessionHolder
from tailwire.sdk.tokens import TokenProvider
from tailwire.wire.codec import user_from_wire
from tailwire.wire.constants import ReceiverTypeName
from tailwire.wire.entities import User

_PINS_ENABLED = "features.ux.messages.pinned.enabled"
_PINS_LIMIT = "features.ux.messages.pinned.limit"
_SAVES_ENABLED = "features.ux.messages.saved.enabled"
_SAVES_LIMIT = "features.ux.messages.saved.limit"
_open_clients: WeakSet[ChatClient] = WeakSet()
_open_clients_lock = threading.Lock()  # clients of other threads come and go


def open_clients() -> list[ChatClient]:
    """Return the clients of the running event loop on which `init()` was called and `aclose()` has not finished."""
    with _open_clients_lock:
        found = list(_open_clients)
    return [chat for chat in found if chat._gate.loop is asyncio.get_running_loop()]


class ChatClient(ClientMethods):
    """A chat client for one user, with one connection, which the client opens, watches and reopens.

    ```python
    async with ChatClient("app-id", settings) as chat:
        await chat.login("alice", auth_key="…")
        await chat.send_message(TextMessage(receiver="bob", receiver_type="user", text="hello"))
    ```

    Async methods return their result, or raise `CometChatException`. For CometChat's callbacks see `CometChat`.

    Args:
        app_id: the id of the app.
        settings: made by `AppSettingsBuilder`.
        session_store: keeps the session across restarts. By default a `FileSessionStore` in the platform's user data
            folder; in a web page its `localStorage`.
        auth_token_provider: an async function that returns a new auth token. It is called before the token ends, if
            the server announces when, and when the server rejects the token. An open connection stays open meanwhile.
        tls: an SSL context, for a server with its own certificate; it takes precedence over the settings'
            `certificate_authority`. Its TLS sessions are resumed: the client sets its `sslobject_class`, unless the
            app has set that.
        timings: the durations of the connection, instead of the defaults; those in `settings` take precedence. For
            tests and demonstrations.
        world: time, randomness and sockets; for tests.
    """

    def __init__(
        self,
        app_id: str,
        settings: AppSettings,
        *,
        session_store: SessionStore | None = None,
        auth_token_provider: TokenProvider | None = None,
        tls: ssl_module.SSLContext | None = None,
        timings: Timings | None = None,
        world: World | None = None,
    ) -> None:
        world, gate = world or this_world(), Gate()
        version, started_ms = __version__.replace(".", "_"), int(world.wall() * 1000)
        identity = Identity(app_id, f"PYTHON-{version}-{world.unique()}-{started_ms}")
        store = session_store if session_store is not None else world.session_store()
        super().__init__(world, identity, SessionHolder(app_id, store, gate), gate)
        self._settings = settings
        self._provider = auth_token_provider
        self._tls = checked_context(tls)
        self._timings = timings or Timings()
        self._registries = ListenerRegistries(Streams(self._sessions.served, self._sessions.save_soon))
        self._listeners = ListenerCalls(self._registries, self._notify_of_status)
        self._lists = LiveLists()
        self._release: Callable[[], None] | None = None
        self._stopping: asyncio.Task[None] | None = None

    async def init(self) -> str:
        """Check the settings and restore the saved session; in auto mode, begin to connect with it. Needs no network.

        Returns:
            "Initialization completed successfully", even when the client was initialized before.

        Raises:
            CometChatException: `ERR_CHAT_API_FAILURE` if a setting is invalid, or the system cannot load the libraries
                (the error that says why is its `__cause__`); `SESSION_IN_USE` if another process or client uses the
                saved session; `SESSION_NOT_READ` if it cannot be read, or the queued messages: both stay saved for the
                next try; `ERR_CLIENT_CLOSED` after `aclose()`; `ERR_WRONG_EVENT_LOOP` on another event loop than
                before.
        """
        self._gate.check_usable()
        if self._made_parts is None:
            try:
                base_url = self._check_settings()
                self._tls = self._tls or self._settings.tls_context()
                await self._world.prepare()
            except (UnusableProxy, ValueError) as e:
                raise init_failed(e) from e
        if self._made_parts is None:  # still: another call may have finished while this one waited
            self._gate.check_usable()
            release, self._gate.loop = self._sessions.claim(), asyncio.get_running_loop()
            try:
                self._make_parts(base_url)
            except BaseException:
                release()
                self._made_parts = self._all_calls = self._gate.loop = None
                raise
            self._release = release
            with _open_clients_lock:
                _open_clients.add(self)
        return "Initialization completed successfully"

    def _check_settings(self) -> str:
        # Check the arguments; return the URL of the client API.
        app_id, settings = self._identity.app_id, self._settings
        if not isinstance(app_id, str) or not app_id.strip():
            raise ValueError("the app id is empty")
        if not isinstance(settings, AppSettings):
            raise ValueError(f"the settings are a {type(settings).__name__}: give AppSettingsBuilder()….build()")
        base_url = settings.base_url(app_id)
        self._world.check_settings(tls=self._tls, proxy=settings.proxy_address, ca_file=settings.ca_file)
        settings.check_proxy()
        return base_url

    def _make_parts(self, base_url: str) -> None:
        parts = assemble(
            world=self._world,
            identity=self._identity,
            settings=self._settings,
            timings=self._timings,
            base_url=base_url,
            tls=self._tls,
            provider=self._provider,
            sessions=self._sessions,
            registries=self._registries,
            lists=self._lists,
            gate=self._gate,
        )
        self._made_parts, self._all_calls = parts, AllCalls.of(parts, self._lists)
        self._all_calls.logins.restore()

    async def aclose(self) -> None:
        """Close the client: no task, timer, socket or callback is left. The session stays saved.

        From then on calls raise `ERR_CLIENT_CLOSED`, and the streams of `events()` end. What needs no server can still
        be read: `connection`, `get_connection_status()`, `get_logged_in_user()`.

        If the event loop of `init()` has been closed, as `asyncio.run()` does at its end, nothing of the client runs:
        this only lets another client use the session.

        If this call is cancelled, the client is closed nevertheless; a further call waits for that. A message whose
        listener calls this counts as handed over. That listener may go on afterwards.

        Raises:
            CometChatException: `ERR_WRONG_EVENT_LOOP` on another event loop than that of `init()`, while that is open.
        """
        parts, stopping = self._made_parts, self._stopping
        in_listener = parts is not None and parts.queue.runs_here
        if self._gate.closed:
            if stopping is None or stopping.done() or self._gate.is_stranded or in_listener:  # the stop waits for it
                return
            self._gate.check_loop()
        else:
            self._gate.check_closable()
            self._gate.closed = True
            if parts is None:
                self._registries.streams.close()
                return
            if self._gate.is_stranded:
                self._let_go()
                return
            if parts.outbox is not None:
                parts.outbox.stop()  # before its next attempt fails because the client is closed
            parts.queue.hold()  # what would be handed over while the rest is closed might go to streams that have ended
            if in_listener:
                parts.dispatcher.finish_running()
            stopping = self._stopping = asyncio.create_task(self._stop(parts, in_listener), name="tailwire close")
        await asyncio.shield(stopping)

    async def _stop(self, parts: Parts, in_listener: bool) -> None:
        try:
            if parts.outbox is not None:
                await parts.outbox.close()
            await parts.driver.aclose()
            await parts.incoming.close()
            await parts.queue.close(wait=not in_listener)
            await self._lists.close()
            self._registries.streams.close()
            await parts.http.close()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        # The last answers may have moved the position: save it before another client may claim the session.
        self._sessions.save_position()
        if self._release is not None:
            self._release()
        with _open_clients_lock:
            _open_clients.discard(self)

    async def __aenter__(self) -> ChatClient:
        await self.init()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # Properties and simple queries, some of them possible before `init()`.

    @property
    def connection(self) -> Connection:
        """The connection: its status, explanation, history and dump.

        Raises:
            CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` before `init()`; `ERR_WRONG_EVENT_LOOP` outside of
                the client's event loop, unless the client is closed.
        """
        self._gate.check_readable()
        if self._all_calls is None:
            raise failure("COMETCHAT_INITIALIZATION_NOT_DONE")
        return self._all_calls.connection.connection()

    def get_connection_status(self) -> ConnectionStatus:
        """Return the current status; `disconnected` before `init()` and after `aclose()`."""
        return self._made_parts.driver.state.status if self._made_parts is not None else ConnectionStatus.DISCONNECTED

    def get_logged_in_user(self) -> User | None:
        """Return the logged-in user, as the server sent them at the last login, or None. Sends no request."""
        session = self._sessions.current
        return decoded(user_from_wire, session.user) if session is not None else None

    def event_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop of the client: the one on which `init()` ran.

        Raises:
            CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` before `init()`; `ERR_CLIENT_CLOSED` after
                `aclose()`; `ERR_WRONG_EVENT_LOOP` outside of the client's event loop.
        """
        self._gate.check_usable()
        if self._gate.loop is None:
            raise failure("COMETCHAT_INITIALIZATION_NOT_DONE")
        return self._gate.loop

    def create_upload_file_request(
        self, receiver_id: str, receiver_type: ReceiverTypeName = "user"
    ) -> UploadFileRequest:
        """Return a request that uploads files for a message to a user or group, and notifies a listener of each.

        Args:
            receiver_id: the uid or guid of the receiver, which is checked when files are uploaded.
            receiver_type: `user` or `group`.

        Raises:
            CometChatException: `ERR_CLIENT_CLOSED` after `aclose()`; `ERR_WRONG_EVENT_LOOP` outside of the client's
                event loop.
        """
        self._gate.check_usable()
        return UploadFileRequest(self, receiver_id, receiver_type, self._world.unique())

    def is_pin_message_enabled(self) -> bool:
        """Return whether the server supports pinned messages; True until its settings are known. Sends no request.

        Raises:
            CometChatException: `ERR_CLIENT_CLOSED` after `aclose()`; `ERR_WRONG_EVENT_LOOP` outside of the client's
                event loop.
        """
        return bool(self._server_parameter(_PINS_ENABLED, True))

    def is_save_message_enabled(self) -> bool:
        """Return whether the server supports saved messages; True until its settings are known. Sends no request.

        Raises:
            CometChatException: `ERR_CLIENT_CLOSED` after `aclose()`; `ERR_WRONG_EVENT_LOOP` outside of the client's
                event loop.
        """
        return bool(self._server_parameter(_SAVES_ENABLED, True))

    def get_pinned_messages_limit(self) -> int | None:
        """Return how many messages of a conversation can be pinned; None until it is known. Sends no request.

        Raises:
            CometChatException: `ERR_CLIENT_CLOSED` after `aclose()`; `ERR_WRONG_EVENT_LOOP` outside of the client's
                event loop.
        """
        limit = self._server_parameter(_PINS_LIMIT, None)
        return int(limit) if isinstance(limit, int) else None

    def get_saved_messages_limit(self) -> int | None:
        """Return how many messages a user can save; None until it is known. Sends no request.

        Raises:
            CometChatException: `ERR_CLIENT_CLOSED` after `aclose()`; `ERR_WRONG_EVENT_LOOP` outside of the client's
                event loop.
        """
        limit = self._server_parameter(_SAVES_LIMIT, None)
        return int(limit) if isinstance(limit, int) else None

    def _server_parameter(self, name: str, default: Any) -> Any:
        self._gate.check_usable()
        settings = self._made_parts.connector.settings if self._made_parts is not None else None
        return settings.parameters.get(name, default) if settings is not None else default

    def _notify_of_status(self, listener_id: str, listener: ConnectionListener) -> None:
        if self._made_parts is not None:
            self._registries.late.append(listener)
            self._made_parts.queue.put(LateListener(listener_id, listener, self.get_connection_status()))
