"""`ChatClient`: puts the parts together. What it owns is the session; the rest belongs to the parts."""

from __future__ import annotations

import asyncio
import logging
import ssl as ssl_module
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import TracebackType

from tailwire.sdk.app_settings import AppSettings
from tailwire.sdk.calls.access import OnError, OnSuccess, decoded, quoted, settle
from tailwire.sdk.calls.connecting import ConnectionCalls
from tailwire.sdk.calls.conversations import ConversationCalls
from tailwire.sdk.calls.groups import GroupCalls
from tailwire.sdk.calls.owner import Owner
from tailwire.sdk.calls.pages import position_now
from tailwire.sdk.calls.queueing import QueueCalls
from tailwire.sdk.calls.reactions import ReactionCalls
from tailwire.sdk.calls.receipts import ReceiptCalls
from tailwire.sdk.calls.tokens import TokenProvider, Tokens
from tailwire.sdk.calls.upload_request import UploadRequestCalls
from tailwire.sdk.calls.users import UserCalls
from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.state import Mode, State, Status
from tailwire.sdk.connection.timings import Timings
from tailwire.sdk.continuity.state import Machine, Position, of_another_store
from tailwire.sdk.dispatch.callbacks import Callbacks, LoginTold, Registries, StatusTold
from tailwire.sdk.dispatch.incoming import Incoming
from tailwire.sdk.dispatch.queue import Queue
from tailwire.sdk.exceptions import CometChatException, failure, init_failed
from tailwire.sdk.io.driver import Driver
from tailwire.sdk.io.files import FileSessionStore
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.link import Connector
from tailwire.sdk.io.proxies import UnusableProxy
from tailwire.sdk.io.tls import looked_at
from tailwire.sdk.io.traffic import Traffic
from tailwire.sdk.io.world import Identity, World
from tailwire.sdk.listeners.events import OutboxChanged
from tailwire.sdk.outbox import Outbox, keeping
from tailwire.sdk.sending import Sending
from tailwire.sdk.session import Session, SessionStore, claim
from tailwire.wire.codec import user_from_wire
from tailwire.wire.entities import BaseMessage, User

log = logging.getLogger("tailwire")
SAVE_AFTER = 0.2


class ChatClient(
    UploadRequestCalls,
    QueueCalls,
    ReactionCalls,
    ReceiptCalls,
    ConversationCalls,
    UserCalls,
    GroupCalls,
    ConnectionCalls,
):
    """A chat client: one user, one connection, kept exactly when it should exist (api.md; S1 to S27).

    ```python
    async with ChatClient("app-id", settings) as chat:
        await chat.login("alice", auth_key="…")
    ```

    Args:
        app_id: of the app.
        settings: made by `AppSettingsBuilder`.
        session_store: where the session is kept; a file in the platform's user data folder by default.
        auth_token_provider: an async function that gives a new auth token; asked before the old one ends, where the
            server says when, and when the server rejects it. An open connection stays open meanwhile.
        tls: an SSL context, for a server with a certificate of its own. Its TLS sessions are resumed
            (`sslobject_class` is set, unless the app has set it).
        timings: other durations than the documented ones; for tests and demonstrations.
        world: time, chance and sockets; for tests.
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
        self.world = world or World()
        self.identity = Identity(app_id, f"PYTHON-0_1_0-{self.world.unique()}-{int(self.world.wall() * 1000)}")
        self.sending = Sending(self.world.chance)
        self._settings = settings
        self._store: SessionStore = session_store if session_store is not None else FileSessionStore()
        self._provider = auth_token_provider
        self._tls = looked_at(tls)
        self._timings = timings or Timings()
        self._registries = Registries()
        self._queue: Queue | None = None
        self._logging_in = False
        self._closed = False
        self._release: Callable[[], None] = lambda: None
        self._served: Position | None = None
        self._save_timer: asyncio.TimerHandle | None = None

    # The client's life.

    async def init(self, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str:
        """Check the settings, restore the saved session, and let the connection go its way (S3, S16). Needs no network.

        Returns:
            "Initialization completed successfully"; also when it was done before.

        Raises:
            CometChatException: `ERR_CHAT_API_FAILURE`, its real cause chained behind; `SESSION_IN_USE`.
        """
        return await settle(self._init(), on_success, on_error)

    async def _init(self) -> str:
        if self._closed:
            raise failure("ERR_CLIENT_CLOSED")
        if self._http is None:
            try:
                if not isinstance(self.identity.app_id, str) or not self.identity.app_id.strip():
                    raise ValueError("the app id is empty")
                base_url = self._settings.base_url(self.identity.app_id)
                self._settings.check_proxy()
                self._tls = self._tls or self._settings.tls_context()
            except (UnusableProxy, ValueError) as e:
                raise init_failed(e) from e
            self._release = claim(self._store, self.identity.app_id)
            self._assemble(base_url)
            self._restore()
        return "Initialization completed successfully"

    def _assemble(self, base_url: str) -> None:
        s = self._settings
        traffic = Traffic(self.world.now)
        self._http = Http(self.world, base_url, self.identity, self._tls, traffic, s.proxy_address)
        self._connector = Connector(
            self.world, self._http, self.identity, s.presence_on_the_wire(), self._tls,
            s.web_socket_host, s.web_socket_port, s.proxy_address,
        )  # fmt: skip
        mode = Mode.AUTO if s.auto_establish else Mode.MANUAL
        state = State(mode, s.timings(self._timings), has_provider=self._provider is not None)
        self._queue = Queue(self._handle, self._note_served)
        self._tokens = Tokens(self, self._provider, self._connector.me, self._connector.keep_pass, self.world.now)
        owner = Owner(
            self, self.identity, self._connector, lambda: self._parts[1], self._queue, self._tokens, self._http.drop
        )
        self._driver = Driver(state, self.world, owner, traffic)
        self._http.answered = self._driver.server_answered
        self._callbacks = Callbacks(self._registries)
        self._incoming = Incoming(
            self._queue,
            self._list_messages,
            self.identity.resource,
            Machine(limit=s.catch_up_limit, enabled=s.catch_up),
            pong=self._driver.pong_came,
            throttled=self._driver.throttled,
            token_answered=self._driver.renewals.answered,
        )
        if s.outbox_limit:
            self._outbox = Outbox(
                self.identity.app_id,
                keeping(self._store),
                self._send_body,
                lambda entry: self._tell(OutboxChanged(entry)),
                s.outbox_limit,
                self.world.unique,
            )
            self._http.succeeded = self._outbox.reached

    def _restore(self) -> None:
        saved = self._store.load(self.identity.app_id)
        if saved is None:
            return
        try:
            session = Session.from_saved(saved)
            decoded(user_from_wire, session.user)
        except (ValueError, CometChatException) as e:
            log.warning("the saved session is ignored, it cannot be used: %s", e)
            return
        if not session.expired:
            self._begin(session)
            self._parts[0].feed(i.SessionRestored())

    async def aclose(self) -> None:
        """End everything: no task, no timer, no socket, no callback is left (I10). The session stays saved."""
        if self._closed:
            return
        self._closed = True
        if self._tokens is not None:
            self._tokens.closed = True
        if self._driver is not None and self._queue is not None and self._incoming is not None:
            if self._outbox is not None:
                await self._outbox.close()
            await self._driver.aclose()
            await self._incoming.close()
            await self._queue.close()
        self._save_position()
        self._registries.streams.close()
        self._release()
        if self._http is not None:
            await self._http.close()

    async def __aenter__(self) -> ChatClient:
        await self.init()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # Login and logout.

    async def login(
        self, uid: str, *, auth_key: str, on_success: OnSuccess[User] = None, on_error: OnError = None
    ) -> User:
        """Log a user in with the app's auth key (development; S1, S25).

        Returns:
            The user. The connection then goes its own way: see `wait_connected`.

        Raises:
            CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `LOGIN_IN_PROGRESS`, `ERR_UID_NOT_FOUND`,
                `AUTH_ERR_*`, `NO_INTERNET_CONNECTION`.
        """

        async def token() -> str:
            body = {"platform": "python", "deviceId": self.identity.resource}
            path = f"/users/{quoted(uid)}/auth_tokens"
            answer = await self._reached().ask("POST", path, key=auth_key, body=body)
            if not isinstance(answer, dict) or not isinstance(answer.get("authToken"), str):
                raise failure("ERR_BAD_ERROR_RESPONSE", "The server's answer has no auth token.")
            return str(answer["authToken"])

        return await settle(self._login(token), on_success, on_error)

    async def login_with_auth_token(
        self, auth_token: str, *, on_success: OnSuccess[User] = None, on_error: OnError = None
    ) -> User:
        """Log a user in with an auth token that your backend made (production; S25).

        Returns:
            The user.

        Raises:
            CometChatException: as `login`; `AUTH_ERR_AUTH_TOKEN_NOT_FOUND`.
        """

        async def token() -> str:
            return auth_token

        return await settle(self._login(token), on_success, on_error)

    async def _login(self, get_token: Callable[[], Awaitable[str]]) -> User:
        driver, _, queue, connector = self._parts
        if self._logging_in:
            raise failure("LOGIN_IN_PROGRESS")
        self._logging_in = True
        try:
            token = await get_token()
            me, signed = await connector.me(token)
            session = Session({k: v for k, v in me.items() if k not in ("authToken", "jwt", "wsChannel")}, token)
            user = decoded(user_from_wire, session.user)
            session = replace(session, position=await self._position_now(token))
        except CometChatException as e:
            queue.put(LoginTold("login_failure", (e,)))
            raise
        finally:
            self._logging_in = False
        connector.forget()
        connector.keep_pass(signed)
        self._begin(session)
        self._save()
        queue.put(LoginTold("login_success", (user,)))
        driver.feed(i.LoggedIn())
        return user

    async def _position_now(self, token: str) -> Position | None:
        # Where the catch-up begins: from the login on nothing is missed (S2).
        return await position_now(self._reached().ask, token) if self._settings.catch_up else None

    def _begin(self, session: Session) -> None:
        incoming = self._parts[1]
        known = incoming.machine.position
        if known is not None and session.position is not None and incoming.uid == session.uid:
            # The same user once more: what came while she logged in does not come twice.
            session = replace(session, position=max(session.position, known, key=lambda p: p.last_id))
        self._session = session
        self._served = session.position
        incoming.begin_session(session.uid, session.position)
        if self._outbox is not None:
            self._outbox.begin(session.uid)

    async def logout(self, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str:
        """End the session on this device: the connection closes, the saved session is forgotten (S25, C23).

        It ends here also when the server cannot be told; then its token lives on there until it is taken back.

        Raises:
            CometChatException: `USER_NOT_LOGGED_IN`.
        """
        return await settle(self._logout(), on_success, on_error)

    async def _logout(self) -> str:
        driver, incoming, queue, connector = self._parts
        try:
            token = self._logged_in().auth_token
        except CometChatException as e:
            queue.put(LoginTold("logout_failure", (e,)))
            raise
        if self._outbox is not None:
            self._outbox.forget()
        self._session = self._served = None
        self._store.clear(self.identity.app_id)
        driver.feed(i.LoggedOut())
        incoming.begin_session("", None)
        connector.forget()
        try:
            await self._reached().ask("DELETE", "/me", token=token)
        except CometChatException as e:
            log.warning("logged out here, but the server could not be told: %s", e.code)
        queue.put(LoginTold("logout_success"))
        return "Logout completed successfully"

    def get_logged_in_user(self) -> User | None:
        """The user, or None. No I/O (S20)."""
        return decoded(user_from_wire, self._session.user) if self._session is not None else None

    # What the parts ask of each other.

    def _message_sent(self, message: BaseMessage) -> None:
        if self._incoming is not None:
            self._incoming.sent(message)
            self._note_served()

    def _send_frame(self, text: str) -> None:
        if self._driver is None or not self._driver.send(text):
            raise failure("NO_WEBSOCKET_CONNECTION")

    async def _handle(self, entry: object) -> None:
        if type(entry) is tuple:  # a message, and how far the app has been served behind it
            event, position = entry
            await self._callbacks.handle(event)
            served = self._served
            if served is None or position.last_id >= served.last_id or of_another_store(position, served):
                self._served = position
                self._save_soon()
            return
        if self._outbox is not None and entry == StatusTold(Status.CONNECTED):
            self._outbox.wake()
        await self._callbacks.handle(entry)

    def _note_served(self) -> None:
        # Nothing waits to be handed over: the position is what the app has been served.
        if self._incoming is not None and self._queue is not None and self._queue.empty:
            self._served = self._incoming.machine.position or self._served
            self._save_soon()

    def _save_soon(self) -> None:
        if self._save_timer is None and self._session is not None and self._served != self._session.position:
            self._save_timer = asyncio.get_running_loop().call_later(SAVE_AFTER, self._save_position)

    def _save_position(self) -> None:
        if self._save_timer is not None:
            self._save_timer.cancel()
            self._save_timer = None
        if self._session is not None and self._session.position != self._served:
            self._session = replace(self._session, position=self._served)
            self._save()

    def kept_session(self) -> Session:
        """The session (for the parts of this client)."""
        return self._logged_in()

    def keep_session(self, session: Session) -> None:
        """Keep a session, on the device too (for the parts of this client)."""
        self._session = session
        self._save()

    def _save(self) -> None:
        if self._session is not None:
            try:
                self._store.save(self.identity.app_id, self._session.to_saved())
            except Exception:
                log.exception("the session is not saved on the device; it is saved with the next change")
