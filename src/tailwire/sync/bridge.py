"""What the blocking client does in its own way; `client` adds every other method of `ChatClient`."""

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
from tailwire.sdk.connection.state import App, Network
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
from tailwire.sdk.listeners.registry import EventStream
from tailwire.sdk.session import SessionStore
from tailwire.sync.app_callbacks import Post
from tailwire.sync.client_thread import ClientThread
from tailwire.sync.closing import Closable
from tailwire.sync.factories import FactoryCalls
from tailwire.sync.iterating import Iterating
from tailwire.sync.listening import through
from tailwire.sync.proxy import ClientHandle, checked_seconds, refused
from tailwire.sync.pumping import pump
from tailwire.wire.entities import BaseMessage

log = logging.getLogger("tailwire")
T = TypeVar("T")
SyncTokenProvider = Callable[[], str | Awaitable[str]]


class Bridge(FactoryCalls, Closable):
    """The part of the blocking client that is not the same as in `ChatClient`."""

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
            provider = None if auth_token_provider is None else _asked(auth_token_provider)
            return ChatClient(
                app_id, settings, session_store=session_store, auth_token_provider=provider, tls=tls,
                timings=timings, world=world,
            )  # fmt: skip

        async def started(chat: ChatClient) -> None:
            if on_event is not None:
                _heard(chat, on_event, client_thread)
            await chat.init()

        chat = client_thread.open(make, started, limit)
        super().__init__(ClientHandle(client_thread), chat, limit)

    def with_timeout(self, seconds: float | None) -> Self:
        """Return a view of the same client whose calls may take other than the client's seconds.

        ```python
        chat.with_timeout(300).send_media_message(video)
        ```

        Args:
            seconds: None waits for ever.
        """
        view = object.__new__(type(self))
        vars(view).update(vars(self))
        view._limit = checked_seconds(seconds)
        return view

    def close(self, timeout: float | None = 10.0) -> None:
        """Close the client, and wait for the end of its thread. The session stays saved. Twice is once.

        Calls that wait in other threads end with `ERR_CLIENT_CLOSED`, and so does every later one; iterators over
        events end. A callback that was posted and has not been called yet is not called any more.

        Raises:
            TimeoutError: it has not ended within so many seconds; it goes on ending.
            RuntimeError: from the client's own thread.
        """
        self._client_thread.close(checked_seconds(timeout))

    # Events and listeners.

    def on_event(self, told: Callable[[Event], object]) -> Callable[[], None]:
        """Call a function with every event from now on, one after the other.

        It is called in the app's thread where the client has a `post`, else in the client's own thread. The next one
        comes when it has returned: while it does not, 1,000 events wait here and 1,000 before, then the client
        stops reading, and what is not read is asked for later. An event is done when the function has returned (or
        raised, which is logged): messages that are not done when the client is closed come again at the next start.
        So no message is lost, and one whose function the end cut short comes twice.

        To hear the very first events of a saved session, give the function to the constructor. A function that refers
        to the client keeps it open until `close()`.

        Returns:
            A function that stops it; from any thread. A call of an async function that has begun comes to its end;
            events that wait are not told, and count as done.
        """
        if not callable(told):
            raise TypeError(f"told is a {type(told).__name__}: give a function")
        client_thread = self._client_thread
        if client_thread.callbacks.posts and inspect.iscoroutinefunction(told):
            raise refused("told is async, and there is no event loop where post= calls it.")
        stop: Callable[[], None] = self._do("on_event", lambda: _heard(self._target, told, client_thread))
        return stop

    def events(self, timeout: float | None = None) -> Iterating[Event]:
        """Return an iterator over everything from now on, for scripts. It ends when the client is closed.

        An event counts as handed over when the iterator has it: messages that wait in it at the end do not come again,
        as those of `on_event` do.

        ```python
        for event in chat.events():
            match event:
                case MessageReceived(message=TextMessage() as message):
                    print(message.text)
        ```

        Args:
            timeout: it also ends when no event has come for so many seconds; None waits for ever.
        """
        limit = checked_seconds(timeout)
        stream: EventStream = self._do("events", self._target.events)
        return Iterating(self._handle, stream, "events", limit, ends=True, close=stream.close)

    def messages(
        self, *, uid: str = "", guid: str = "", before: int = 0, after: int = 0, limit: int = 30, actions: bool = True
    ) -> Iterating[BaseMessage]:
        """Iterate over the messages of a conversation; a page is fetched when it is needed.

        Args:
            uid: the conversation with a user; or
            guid: of a group; neither: all of the user's.
            before: newest first, from before this id; the newest by default.
            after: oldest first, from after this id.
            limit: messages a page, 1 to 100.
            actions: with the messages that tell of edits, deletions and members (`Action`); False leaves them out.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT`, `ERROR_NON_POSITIVE_LIMIT`, `ERROR_LIMIT_EXCEEDED`, or as the
                server refused it. The next step asks for that page again, so what was not fetched is not passed over.
            TimeoutError: a page has not come in time; the next step waits for it again.
        """

        chat = self._target  # not self: an iterator need not hold the client twice

        def behind(last: BaseMessage | None) -> AsyncIterator[BaseMessage]:
            newer = 0 if last is None else last.id if after > 0 else 0
            older = 0 if last is None or newer else last.id
            return chat.messages(
                uid=uid, guid=guid, before=older or before, after=newer or after, limit=limit, actions=actions
            )

        source = self._do("messages", lambda: behind(None))
        return Iterating(self._handle, source, "messages", self._limit, ends=False, again=behind)

    def add_connection_listener(self, listener_id: str, listener: ConnectionListener) -> None:
        """Hear of the connection. The listener is told the status of now."""
        self._listen("add_connection_listener", listener_id, ConnectionListener, listener)

    def add_login_listener(self, listener_id: str, listener: LoginListener) -> None:
        """Hear of logins and logouts."""
        self._listen("add_login_listener", listener_id, LoginListener, listener)

    def add_user_listener(self, listener_id: str, listener: UserListener) -> None:
        """Hear of presence."""
        self._listen("add_user_listener", listener_id, UserListener, listener)

    def add_group_listener(self, listener_id: str, listener: GroupListener) -> None:
        """Hear of the membership of the user's groups."""
        self._listen("add_group_listener", listener_id, GroupListener, listener)

    def add_message_listener(self, listener_id: str, listener: MessageListener) -> None:
        """Hear of messages, typing and receipts."""
        self._listen("add_message_listener", listener_id, MessageListener, listener)

    def _listen(self, name: str, listener_id: str, kind: type[T], listener: T) -> None:
        add = getattr(self._target, name)
        self._do(name, lambda: add(listener_id, through(kind, listener, self._client_thread.callbacks)))

    # What does not wait.

    def set_app_state(self, state: App | Literal["foreground", "background"], *, reason: str = "app") -> None:
        """Report where the app is, from any thread; does not wait.

        Args:
            state: `foreground` or `background`.
            reason: who says so. The client is in the background while any reason says so.

        Raises:
            ValueError: for another word.
            CometChatException: `ERR_CLIENT_CLOSED`.
        """
        app = App(state)
        checked_reason(reason)
        self._tell(lambda: self._target.set_app_state(app, reason=reason))

    def set_network(self, network: Network | Literal["online", "offline", "unknown"]) -> None:
        """Report what the platform says of the network, from any thread; does not wait. A hint, never a proof.

        Raises:
            ValueError: for another word than `online`, `offline` and `unknown`.
            CometChatException: `ERR_CLIENT_CLOSED`.
        """
        said = Network(network)
        self._tell(lambda: self._target.set_network(said))

    def _tell(self, function: Callable[[], object]) -> None:
        self._client_thread.soon(function)


def _heard(chat: ChatClient, told: Callable[[Event], object], client_thread: ClientThread) -> Callable[[], None]:
    # What was not told when the client is closed comes again at the next start.
    stream = chat.events(acknowledge=True)
    return pump(stream, told, client_thread, "tailwire events", stream.close, stream.done)


def _asked(provider: SyncTokenProvider) -> Callable[[], Awaitable[str]]:
    # A plain function is called in a thread of its own, which keeps no program alive: it may ask a server.
    async def ask() -> str:
        try:
            given = provider() if inspect.iscoroutinefunction(provider) else await _in_thread(provider)
            return cast(str, await given if inspect.isawaitable(given) else given)
        except Exception:
            raise
        except BaseException as e:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise _no_answer(e) from e  # it ends a program, a generator or a task, and is none of the client's

    return ask


def _no_answer(error: BaseException) -> RuntimeError:
    return RuntimeError(f"the token provider raised {error!r}: it is to return a token, or to raise an Exception")


def _in_thread(function: Callable[[], T]) -> asyncio.Future[T]:
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
        result, failed = None, None
        try:
            result = function()
        except BaseException as e:  # noqa: BLE001 - the app's own code: whatever it raises is its answer
            failed = e if isinstance(e, Exception) and not isinstance(e, StopIteration) else _no_answer(e)
            failed.__cause__ = e if failed is not e else e.__cause__
        with suppress(RuntimeError):  # the client has ended meanwhile
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, name="tailwire token provider", daemon=True).start()
    return ended
