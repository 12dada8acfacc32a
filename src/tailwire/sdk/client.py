"""`ChatClient`: puts the parts together. What it owns is the session; the rest belongs to the parts."""

from __future__ import annotations

import asyncio
import logging
import ssl as ssl_module
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import TracebackType

from tailwire.sdk.app_settings import AppSettings
from tailwire.sdk.calls.access import OnError, OnSuccess, decoded, settle
from tailwire.sdk.calls.conversations import ConversationCalls
from tailwire.sdk.calls.gate import gated
from tailwire.sdk.calls.groups import GroupCalls
from tailwire.sdk.calls.logins import LoginCalls
from tailwire.sdk.calls.owner import Owner
from tailwire.sdk.calls.reactions import ReactionCalls
from tailwire.sdk.calls.receipts import ReceiptCalls
from tailwire.sdk.calls.tokens import TokenProvider, Tokens
from tailwire.sdk.calls.upload_request import UploadRequestCalls
from tailwire.sdk.calls.users import UserCalls
from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.state import Mode, State
from tailwire.sdk.connection.timings import Timings
from tailwire.sdk.continuity.state import CatchUp
from tailwire.sdk.dispatch.callbacks import Callbacks, Registries
from tailwire.sdk.dispatch.dispatcher import Dispatcher
from tailwire.sdk.dispatch.incoming import Incoming
from tailwire.sdk.dispatch.queue import EventQueue
from tailwire.sdk.dispatch.served import Served
from tailwire.sdk.exceptions import CometChatException, failure, init_failed
from tailwire.sdk.io.driver import Driver
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.link import Connector
from tailwire.sdk.io.proxies import UnusableProxy
from tailwire.sdk.io.tls import checked_context
from tailwire.sdk.io.traffic import Traffic
from tailwire.sdk.io.world import Identity, World, this_world
from tailwire.sdk.listeners.events import OutboxChanged
from tailwire.sdk.listeners.own import MessageStored
from tailwire.sdk.listeners.registry import Streams
from tailwire.sdk.live.calling import LiveCalls, LiveLists
from tailwire.sdk.outbox import Outbox, keeping
from tailwire.sdk.sending import Sending
from tailwire.sdk.session import Session, SessionStore, claim
from tailwire.wire.codec import user_from_wire
from tailwire.wire.entities import BaseMessage

log = logging.getLogger("tailwire")
SAVE_AFTER = 0.2


@gated
class ChatClient(
    UploadRequestCalls,
    LiveCalls,
    ReactionCalls,
    ReceiptCalls,
    ConversationCalls,
    UserCalls,
    GroupCalls,
    LoginCalls,
):
    """A chat client: one user, one connection, kept exactly when it should exist.

    ```python
    async with ChatClient("app-id", settings) as chat:
        await chat.login("alice", auth_key="…")
    ```

    Args:
        app_id: of the app.
        settings: made by `AppSettingsBuilder`.
        session_store: where the session is kept; a file in the platform's user data folder by default, in a web page
            its `localStorage`.
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
        self._world = world or this_world()
        self._identity = Identity(app_id, f"PYTHON-0_1_0-{self._world.unique()}-{int(self._world.wall() * 1000)}")
        self._sending = Sending(self._world.chance)
        self._settings = settings
        self._store: SessionStore = session_store if session_store is not None else self._world.session_store()
        self._provider = auth_token_provider
        self._tls = checked_context(tls)
        self._timings = timings or Timings()
        self._served = Served()
        self._registries = Registries(Streams(self._served, self._save_soon))
        self._live = LiveLists()
        self._queue: EventQueue | None = None
        self._in_background: set[str] = set()  # the reasons for it
        self._release: Callable[[], None] = lambda: None
        self._save_timer: asyncio.TimerHandle | None = None

    # The client's life.

    async def init(self, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str:
        """Check the settings, restore the saved session, and let the connection go its way. Needs no network.

        Returns:
            "Initialization completed successfully"; also when it was done before.

        Raises:
            CometChatException: `ERR_CHAT_API_FAILURE`, its real cause chained behind; `SESSION_IN_USE`.
        """
        return await settle(self._init(), on_success, on_error)

    async def _init(self) -> str:
        if self._http is None:
            try:
                if not isinstance(self._identity.app_id, str) or not self._identity.app_id.strip():
                    raise ValueError("the app id is empty")
                if not isinstance(self._settings, AppSettings):
                    given = type(self._settings).__name__
                    raise ValueError(f"the settings are a {given}: give AppSettingsBuilder()….build()")
                base_url = self._settings.base_url(self._identity.app_id)
                proxy, ca_file = self._settings.proxy_address, self._settings.ca_file
                self._world.check_settings(tls=self._tls, proxy=proxy, ca_file=ca_file)
                self._settings.check_proxy()
                self._tls = self._tls or self._settings.tls_context()
                await self._world.prepare()
            except (UnusableProxy, ValueError) as e:
                raise init_failed(e) from e
        if self._http is None:
            self._check_usable()
            self._release, self._loop = claim(self._store, self._identity.app_id), asyncio.get_running_loop()
            try:
                self._assemble(base_url)
                self._restore()
            except BaseException:
                self._release()
                self._http = self._loop = None
                raise
        return "Initialization completed successfully"

    def _assemble(self, base_url: str) -> None:
        s = self._settings
        traffic = Traffic(self._world.now)
        self._http = Http(self._world, base_url, self._identity, self._tls, traffic, s.proxy_address)
        self._connector = Connector(
            self._world, self._http, self._identity, s.presence_on_the_wire(), self._tls,
            s.web_socket_host, s.web_socket_port, s.proxy_address,
        )  # fmt: skip
        mode = Mode.AUTO if s.auto_establish else Mode.MANUAL
        state = State(mode, s.timings(self._timings), has_provider=self._provider is not None)
        self._dispatcher = Dispatcher(
            Callbacks(self._registries),
            self._served,
            observe=self._done_here,
            moved=self._save_soon,
            connected=lambda: self._outbox.wake() if self._outbox is not None else None,
        )
        self._queue = EventQueue(self._dispatcher.handle, self._note_served)
        self._tokens = Tokens(self, self._provider, self._connector.me, self._connector.keep_pass, self._world.now)
        owner = Owner(
            self, self._identity, self._connector, lambda: self._parts[1], self._queue, self._tokens, self._http.drop
        )
        self._driver = Driver(state, self._world, owner, traffic)
        self._http.answered = self._driver.server_answered
        self._incoming = Incoming(
            self._queue,
            partial(self._list_messages, once=True),  # it is asked for again when it is time
            self._identity.resource,
            CatchUp(limit=s.catch_up_limit, enabled=s.catch_up),
            pong=self._driver.pong_came,
            throttled=self._driver.throttled,
            token_answered=self._driver.renewals.answered,
        )
        if s.outbox_limit:
            self._outbox = Outbox(
                self._identity.app_id,
                keeping(self._store),
                self._send_body,
                lambda entry: self._tell(OutboxChanged(entry)),
                s.outbox_limit,
                self._world.unique,
            )
            self._http.succeeded = self._outbox.reached
            self._outbox.check = self._check_open_loop

    def _restore(self) -> None:
        saved = self._store.load(self._identity.app_id)
        if saved is None:
            return
        try:
            session = Session.from_saved(saved)
            decoded(user_from_wire, session.user)
        except (ValueError, CometChatException) as e:
            log.warning("the saved session is ignored, it cannot be used: %s", e)
            return
        if session.expired:
            self._ended = session
            return
        self._begin(session)
        self._parts[0].feed(i.SessionRestored())

    async def aclose(self) -> None:
        """End everything: no task, no timer, no socket, no callback is left. The session stays saved.

        Every call fails with `ERR_CLIENT_CLOSED` then, and the streams of `events()` end.

        Raises:
            CometChatException: `ERR_WRONG_EVENT_LOOP`.
        """
        if self._closed:
            return
        self._check_loop()
        self._closed = True
        if self._tokens is not None:
            self._tokens.closed = True
        if self._driver is not None and self._queue is not None and self._incoming is not None:
            self._dispatcher.closing = True
            if self._outbox is not None:
                await self._outbox.close()
            await self._driver.aclose()
            await self._incoming.close()
            await self._queue.close()
        await self._live.close()
        self._registries.streams.close()
        try:
            if self._http is not None:
                await self._http.close()
        finally:  # the last answers may have moved the position; then the session is for others to have
            self._save_position()
            self._release()

    async def __aenter__(self) -> ChatClient:
        await self.init()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # What the parts ask of each other.

    def _message_sent(self, message: BaseMessage) -> None:
        if self._incoming is not None:
            self._incoming.sent(message)
            self._served.ahead(message.id)
            self._note_served()
        self._done_here(MessageStored(message))

    def _done_here(self, deed: object) -> None:
        if self._live:
            self._live.tell(deed, self._session.uid if self._session is not None else "")

    def _send_frame(self, text: str) -> None:
        if self._driver is None or not self._driver.send(text):
            raise failure("NO_WEBSOCKET_CONNECTION")

    def _note_served(self) -> None:
        # Nothing waits to be handed over: the position is what the app has been served.
        if self._incoming is not None and self._queue is not None and self._queue.empty:
            self._served.all_handed_over(self._incoming.machine.position)
            self._save_soon()

    def _save_soon(self) -> None:
        if self._closed or self._save_timer is not None or self._session is None:
            return
        if self._served.position != self._session.position:
            self._save_timer = asyncio.get_running_loop().call_later(SAVE_AFTER, self._save_position)

    def _save_position(self) -> None:
        if self._save_timer is not None:
            self._save_timer.cancel()
            self._save_timer = None
        if self._session is not None and self._session.position != self._served.position:
            self._session = replace(self._session, position=self._served.position)
            self._save()

    def _kept_session(self) -> Session:
        """The session (for the parts of this client)."""
        return self._logged_in()

    def _keep_session(self, session: Session) -> None:
        """Keep a session, on the device too (for the parts of this client)."""
        self._session = session
        self._save()

    def _save(self) -> None:
        if self._session is not None:
            try:
                self._store.save(self._identity.app_id, self._session.to_saved())
            except Exception:
                log.exception("the session is not saved on the device; it is saved with the next change")
