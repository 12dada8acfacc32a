"""The methods of the blocking client that differ from those of `ChatClient`. The module `client` adds the others."""

from __future__ import annotations

import asyncio
import inspect
import logging
import ssl as ssl_module
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Literal, Self, TypeVar, cast

from tailwire.sdk.app_settings import AppSettings
from tailwire.sdk.calls.connecting import checked_reason
from tailwire.sdk.client import ChatClient
from tailwire.sdk.connection.state import AppState, Network
from tailwire.sdk.connection.timings import Timings
from tailwire.sdk.io.world import World
from tailwire.sdk.listeners.events import Event
from tailwire.sdk.listeners.interfaces import (
    ConnectionListener,
    GroupListener,
    LoginListener,
    MessageListener,
    UserListener,
)
from tailwire.sdk.listeners.registry import AcknowledgedStream, EventStream, Listeners
from tailwire.sdk.session import SessionStore
from tailwire.sync.app_callbacks import Post
from tailwire.sync.client_thread import ClientThread
from tailwire.sync.closing import Closable
from tailwire.sync.factories import FactoryCalls
from tailwire.sync.iterating import Iterating
from tailwire.sync.listening import forwarding_listener
from tailwire.sync.proxy import ClientHandle, checked_seconds, invalid_argument
from tailwire.sync.pumping import pump
from tailwire.wire.entities import BaseMessage

log = logging.getLogger("tailwire")
T = TypeVar("T")
SyncTokenProvider = Callable[[], str | Awaitable[str]]


class Bridge(FactoryCalls, Closable):
    """The base of the blocking client: the methods that `ChatClient` does not have, or has in another form."""

    def __init__(
        self,
        app_id: str,
        settings: AppSettings,
        *,
        post: Post | None = None,
        timeout: float | None = 30.0,
        on_event: Callable[[Event], object] | None = None,
        session_store: SessionStore | None = None,
        auth_token_provider: SyncTokenProvider | None = None,
        tls: ssl_module.SSLContext | None = None,
        timings: Timings | None = None,
        world: World | None = None,
    ) -> None:
        for name, function in (("post", post), ("on_event", on_event)):
            if function is not None and not callable(function):
                raise TypeError(f"{name} is a {type(function).__name__}: give a function, or None")
        limit, client_thread = checked_seconds(timeout), ClientThread(post)

        def make() -> ChatClient:
            provider = None if auth_token_provider is None else _async_provider(auth_token_provider)
            return ChatClient(
                app_id, settings, session_store=session_store, auth_token_provider=provider, tls=tls,
                timings=timings, world=world,
            )  # fmt: skip

        async def started(chat: ChatClient) -> None:
            if on_event is not None:
                _pump_events(chat, on_event, client_thread)
            await chat.init()

        chat = client_thread.open(make, started, limit)
        super().__init__(ClientHandle(client_thread), chat, limit)

    def with_timeout(self, seconds: float | None) -> Self:
        """Return an object that uses the same client and connection with another timeout.

        ```python
        chat.with_timeout(300).send_media_message(video)
        ```

        Args:
            seconds: the timeout of a call; None for no limit.

        Raises:
            TypeError: `seconds` is not a number.
            ValueError: `seconds` is not above 0, or is infinite.
        """
        view = object.__new__(type(self))
        vars(view).update(vars(self))
        view._limit = checked_seconds(seconds)
        return view

    def close(self, timeout: float | None = 10.0) -> None:
        """Close the client, and wait until its thread has ended. The session stays saved. May be called more than once.

        Pending calls in other threads and all later calls raise `ERR_CLIENT_CLOSED`; iterators over events end.
        Callbacks that were scheduled by `post` and have not run yet are dropped.

        Args:
            timeout: seconds to wait; None for no limit.

        Raises:
            TypeError: `timeout` is not a number.
            ValueError: `timeout` is not above 0, or is infinite.
            TimeoutError: the thread has not ended in time; it continues to shut down.
            RuntimeError: called in the client's own thread.
        """
        self._client_thread.close(checked_seconds(timeout))

    # Events and listeners.

    def on_event(self, callback: Callable[[Event], object]) -> Callable[[], None]:
        """Call a function with every event from now on, one after the other.

        It is called in the app's thread if the client has a `post`, else in the client's own thread. An event is
        acknowledged when the function has returned, or has raised an exception, which is logged. Messages that are not
        acknowledged when the client is closed are delivered again at the next start. So no message is lost, but one
        that is being handled at that moment arrives twice.

        While the function runs, up to 2,000 events are buffered; then the client stops reading, and fetches the rest
        later.

        To get the first events of a saved session, pass the function to the constructor. A function that refers to the
        client keeps it open until `close()`.

        Args:
            callback: the function; it may be async if the client has no `post`.

        Returns:
            A function that stops the calls, from any thread. A call that has begun continues to its end. Buffered
            events are dropped and count as acknowledged.

        Raises:
            TypeError: `callback` is not callable.
            CometChatException: `ERR_INVALID_ARGUMENT` for an async function if the client has a `post`;
                `ERR_CLIENT_CLOSED`.
        """
        if not callable(callback):
            raise TypeError(f"callback is a {type(callback).__name__}: give a function")
        client_thread = self._client_thread
        if client_thread.callbacks.posts and inspect.iscoroutinefunction(callback):
            raise invalid_argument("callback is async, but there is no event loop in the thread where post= calls it.")
        stop: Callable[[], None] = self._run("on_event", lambda: _pump_events(self._target, callback, client_thread))
        return stop

    def events(self, timeout: float | None = None, *, acknowledge: bool = False) -> Iterating[Event]:
        """Return an iterator over all events from now on. It ends when the client is closed.

        ```python
        for event in chat.events():
            match event:
                case MessageReceived(message=TextMessage() as message):
                    print(message.text)
        ```

        Args:
            timeout: seconds without an event after which the iterator ends; None for no limit.
            acknowledge: whether to acknowledge each event when the next one is requested. A message whose event is not
                acknowledged when the client is closed, or crashes, is delivered again at the next start. Without it,
                events are acknowledged when they are buffered in the iterator.

        Raises:
            CometChatException: `ERR_CLIENT_CLOSED`.
            TypeError: `timeout` is not a number.
            ValueError: `timeout` is not above 0, or is infinite.
        """
        limit = checked_seconds(timeout)
        if not acknowledge:
            stream: EventStream = self._run("events", self._target.events)
            return Iterating(self._handle, stream, "events", limit, ends=True, close=stream.close)
        acknowledged: AcknowledgedStream = self._run("events", lambda: self._target.events(acknowledge=True))
        source = _acknowledging(acknowledged)
        return Iterating(self._handle, source, "events", limit, ends=True, close=acknowledged.close)

    def messages(
        self,
        *,
        uid: str = "",
        guid: str = "",
        before: int = 0,
        after: int = 0,
        page_size: int = 30,
        actions: bool = True,
    ) -> Iterating[BaseMessage]:
        """Return an iterator over the messages of a conversation. It fetches a page whenever it needs one.

        Args:
            uid: the conversation with this user. Give `uid` or `guid`; neither for all conversations.
            guid: the conversation of this group.
            before: return messages with a lower id than this, newest first; 0 to start with the newest message.
            after: return messages with a higher id than this, oldest first. If it is above 0, `before` has no effect.
            page_size: the number of messages in a page, 1 to 100.
            actions: whether to include `Action` messages about edits, deletions and members.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if `uid` and `guid` are both given; `ERROR_NON_POSITIVE_LIMIT` or
                `ERROR_LIMIT_EXCEEDED` if `page_size` is out of range; or another code of the server. This may also be
                raised during the iteration. The iterator can be continued: it requests the same page again.
            TimeoutError: raised during the iteration if a page took longer than the client's timeout. The iterator can
                be continued: it waits for the same page.
        """

        chat = self._target  # referring to self would keep the client from being collected

        def read_after(last: BaseMessage | None) -> AsyncIterator[BaseMessage]:
            newer = 0 if last is None else last.id if after > 0 else 0
            older = 0 if last is None or newer else last.id
            return chat.messages(
                uid=uid, guid=guid, before=older or before, after=newer or after, page_size=page_size, actions=actions
            )

        source = self._run("messages", lambda: read_after(None))
        return Iterating(self._handle, source, "messages", self._limit, ends=False, again=read_after)

    def add_connection_listener(self, listener_id: str, listener: ConnectionListener) -> None:
        """Add a listener for the connection status. It is called with the current status first.

        Args:
            listener_id: an id of your choice. A connection listener with the same id is replaced.
            listener: a subclass of `ConnectionListener` that overrides the methods to call.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is of another class, cannot be called, or has an
                async method although the client has a `post`; `ERR_CLIENT_CLOSED`.
        """
        self._listen("connection", listener_id, ConnectionListener, listener)

    def add_login_listener(self, listener_id: str, listener: LoginListener) -> None:
        """Add a listener for logins and logouts.

        Args:
            listener_id: an id of your choice. A login listener with the same id is replaced.
            listener: a subclass of `LoginListener` that overrides the methods to call.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is of another class, cannot be called, or has an
                async method although the client has a `post`; `ERR_CLIENT_CLOSED`.
        """
        self._listen("login", listener_id, LoginListener, listener)

    def add_user_listener(self, listener_id: str, listener: UserListener) -> None:
        """Add a listener for the presence of users.

        Args:
            listener_id: an id of your choice. A user listener with the same id is replaced.
            listener: a subclass of `UserListener` that overrides the methods to call.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is of another class, cannot be called, or has an
                async method although the client has a `post`; `ERR_CLIENT_CLOSED`.
        """
        self._listen("user", listener_id, UserListener, listener)

    def add_group_listener(self, listener_id: str, listener: GroupListener) -> None:
        """Add a listener for membership changes in the user's groups.

        Args:
            listener_id: an id of your choice. A group listener with the same id is replaced.
            listener: a subclass of `GroupListener` that overrides the methods to call.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is of another class, cannot be called, or has an
                async method although the client has a `post`; `ERR_CLIENT_CLOSED`.
        """
        self._listen("group", listener_id, GroupListener, listener)

    def add_message_listener(self, listener_id: str, listener: MessageListener) -> None:
        """Add a listener for messages, their changes (edits, reactions, pins, receipts), typing indicators and drafts.

        Args:
            listener_id: an id of your choice. A message listener with the same id is replaced.
            listener: a subclass of `MessageListener` that overrides the methods to call.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if the listener is of another class, cannot be called, or has an
                async method although the client has a `post`; `ERR_CLIENT_CLOSED`.
        """
        self._listen("message", listener_id, MessageListener, listener)

    def _listen(self, noun: str, listener_id: str, kind: type[T], listener: T) -> None:
        name, callbacks = f"add_{noun}_listener", self._client_thread.callbacks
        add = getattr(self._target, name)
        listeners: Listeners[T] = getattr(self._target._registries, noun)

        def registered() -> T | None:
            return listeners.get(listener_id)

        self._run(name, lambda: add(listener_id, forwarding_listener(kind, listener, callbacks, registered)))

    # Calls that do not wait.

    def set_app_state(self, state: AppState | Literal["foreground", "background"], *, reason: str = "app") -> None:
        """Report the state of the app, from any thread, without waiting.

        Args:
            state: `foreground` or `background`.
            reason: the name of the source of the report. The client is in the background while any source reports this.

        Raises:
            TypeError: `reason` is not a string.
            ValueError: `state` is neither `foreground` nor `background`, or `reason` is empty, too long or unprintable.
            CometChatException: `ERR_CLIENT_CLOSED`.
        """
        app = AppState(state)
        checked_reason(reason)
        self._client_thread.call_soon(lambda: self._target.set_app_state(app, reason=reason))

    def set_network(self, network: Network | Literal["online", "offline", "unknown"]) -> None:
        """Report the state of the network, from any thread, without waiting. It is a hint that the client verifies.

        Args:
            network: `online`, `offline` or `unknown`.

        Raises:
            ValueError: `network` has another value.
            CometChatException: `ERR_CLIENT_CLOSED`.
        """
        state = Network(network)
        self._client_thread.call_soon(lambda: self._target.set_network(state))


async def _acknowledging(stream: AcknowledgedStream) -> AsyncIterator[Event]:
    async for event in stream:
        yield event
        stream.done(event)  # the app has asked for the next one


def _pump_events(
    chat: ChatClient, callback: Callable[[Event], object], client_thread: ClientThread
) -> Callable[[], None]:
    # Events that are not acknowledged when the client is closed are delivered again at the next start.
    stream = chat.events(acknowledge=True)
    return pump(stream, callback, client_thread, "tailwire events", stream.close, stream.done)


def _async_provider(provider: SyncTokenProvider) -> Callable[[], Awaitable[str]]:
    # A plain function may block, so it runs in a daemon thread.
    async def ask() -> str:
        try:
            provided = provider() if inspect.iscoroutinefunction(provider) else await _call_in_thread(provider)
            return cast(str, await provided if inspect.isawaitable(provided) else provided)
        except Exception:
            raise
        except BaseException as e:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise _provider_error(e) from e  # such as SystemExit, which must not end the client's task

    return ask


def _provider_error(error: BaseException) -> RuntimeError:
    return RuntimeError(f"the token provider raised {error!r}: it must return a token or raise an Exception")


def _call_in_thread(function: Callable[[], T]) -> asyncio.Future[T]:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if ended.done():
            return
        if error is not None:
            ended.set_exception(error)
        else:
            ended.set_result(cast(T, result))

    def run() -> None:
        result, error = None, None
        try:
            result = function()
        except BaseException as e:  # noqa: BLE001 - the app's code; the error is passed on
            error = e if isinstance(e, Exception) and not isinstance(e, StopIteration) else _provider_error(e)
            error.__cause__ = e if error is not e else e.__cause__
        with suppress(RuntimeError):  # the client has ended meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="tailwire token provider", daemon=True).start()
    return ended
