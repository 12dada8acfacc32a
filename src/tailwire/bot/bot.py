"""`Bot`: a user that passes received messages to handlers."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Any, overload

from tailwire.adapters import main_loop
from tailwire.bot.context import Context
from tailwire.bot.matching import F, Handler, Matches, checked_handler, command_matcher
from tailwire.bot.mistakes import WrongToken, cannot_run_text, exc_info_from_author
from tailwire.bot.queues import ConversationQueues, Work
from tailwire.bot.running import call_until_reached, is_in_a_loop, run_handler, token_of
from tailwire.bot.sessions import session_store_of
from tailwire.bot.stream import Draft
from tailwire.sdk.app_settings import AppSettings
from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.listeners.events import ConnectionFailed, Event, HistoryGap, MessageReceived, TransientReceived
from tailwire.sdk.retry import RETRYABLE_CODES
from tailwire.sdk.session import SessionStore
from tailwire.sdk.tokens import TokenProvider
from tailwire.wire.constants import ReceiverType
from tailwire.wire.entities import MediaMessage, TextMessage
from tailwire.wire.identifiers import stored_id

log = logging.getLogger("tailwire.bot")

MAX_CONCURRENCY = 1000
HANDLER_TIMEOUT_SECONDS = 600.0
MAX_MISSED_MESSAGES = 10_000
"""How many missed messages a bot handles after a restart, unless the settings have another limit."""
ErrorHandler = Callable[[Context, Exception], Awaitable[None]]


class Bot:
    """A chat user that answers messages with handlers.

    ```python
    bot = Bot("app-id", settings, uid="bob", auth_key="…")


    @bot.on_message
    async def answer(ctx: Context) -> None:
        await ctx.reply(f"You said: {ctx.text}")


    bot.run()
    ```

    A message goes to the first matching handler, in the order of definition. Messages of one conversation are handled
    in order; different conversations are handled concurrently. Messages that arrive while the bot is not running are
    handled at its next start (the newest 10,000, or the limit of `catch_up_after_reconnect()`; the log warns of more),
    and so are those whose handlers were interrupted. A handler that raised is not run again.

    Attributes:
        uid: the uid of the bot's user, in lower case, as the server stores it.

    Args:
        app_id: the id of the app.
        settings: made by `AppSettingsBuilder`.
        uid: the uid of the bot's user.
        auth_key: the app's auth key, to log in with. Give either this or `auth_token_provider`.
        auth_token_provider: an async function that returns an auth token of the bot's user. It is called in the event
            loop at each login, and when the token has to be renewed.
        session_store: stores the session; by default a file of its own for this uid in the platform's user data folder.
        concurrency: the maximum number of handlers that run at the same time, 1 to 1,000.
        handler_timeout: seconds after which a handler is cancelled, which counts as a failure with `TimeoutError`; None
            for no limit. Time that a handler waits for the server in methods of `Context` does not count.
        ignored_roles: roles of users whose messages are passed to no message handler, so that bots do not answer each
            other.

    Raises:
        ValueError: `uid` is empty, not exactly one of `auth_key` and `auth_token_provider` is given, or another
            argument is out of range.
    """

    def __init__(
        self,
        app_id: str,
        settings: AppSettings,
        *,
        uid: str,
        auth_key: str = "",
        auth_token_provider: TokenProvider | None = None,
        session_store: SessionStore | None = None,
        concurrency: int = 64,
        handler_timeout: float | None = HANDLER_TIMEOUT_SECONDS,
        ignored_roles: Collection[str] = ("bot",),
    ) -> None:
        if not uid or not isinstance(uid, str):
            raise ValueError(f"uid={uid!r}: give the uid of the bot's user, a str")
        if bool(auth_key) == (auth_token_provider is not None):
            raise ValueError("give exactly one of auth_key= and auth_token_provider=")
        if not 1 <= concurrency <= MAX_CONCURRENCY:
            raise ValueError(f"concurrency={concurrency!r}: give 1 to {MAX_CONCURRENCY}")
        if handler_timeout is not None and not (isinstance(handler_timeout, int | float) and handler_timeout > 0):
            raise ValueError(f"handler_timeout={handler_timeout!r}: give seconds above 0, or None for no limit")
        if isinstance(ignored_roles, str):
            raise ValueError(f'ignored_roles={ignored_roles!r}: give a list, ["{ignored_roles}"]')
        self.uid: str = stored_id(uid)
        self._given_uid = uid
        self._app_id, self._session_store = app_id, session_store
        self._settings = _with_bot_catch_up(settings)
        self._concurrency, self._handler_timeout = concurrency, handler_timeout
        self._auth_key, self._provider = auth_key, auth_token_provider
        self._ignored_roles = frozenset(ignored_roles)
        self._routes: list[tuple[Handler, Matches]] = []
        self._event_handlers: list[tuple[type[Any], Callable[[Any], Awaitable[None]]]] = []
        self._error_handler: ErrorHandler | None = None
        self._chat: ChatClient | None = None
        self._exit_error: BaseException | None = None
        self._stop: Callable[[], object] | None = None  # ends the loop over the events

    def __repr__(self) -> str:
        return f"Bot(uid={self.uid!r}, handlers={len(self._routes)}, running={self._chat is not None})"

    @property
    def chat(self) -> ChatClient:
        """The bot's client.

        Raises:
            RuntimeError: the bot is not running.
        """
        if self._chat is None:
            raise RuntimeError("the bot is not running: its client exists while run() or serve() runs")
        return self._chat

    # Handlers.

    def command(self, *names: str) -> Callable[[F], F]:
        """Register a handler for messages that begin with a command such as `/help` (decorator).

        ```python
        @bot.command("help", "h")
        async def on_help(ctx: Context) -> None:
            await ctx.reply(f"help for {ctx.args}")
        ```

        Args:
            names: the names, without the slash; case does not matter. The words after the command are in `ctx.args`.

        Raises:
            ValueError: there is no name, or one that is not a word.
            TypeError: the handler is not async, or cannot be called with a context.
        """
        matches = command_matcher(names)
        return lambda handler: self._add(handler, matches)

    @overload
    def on_message(self, handler: F, /) -> F: ...
    @overload
    def on_message(
        self,
        /,
        *,
        pattern: str | re.Pattern[str] | None = None,
        direct: bool | None = None,
        group: str | None = None,
        mentioned: bool | None = None,
    ) -> Callable[[F], F]: ...

    def on_message(
        self,
        handler: Any = None,
        /,
        *,
        pattern: str | re.Pattern[str] | None = None,
        direct: bool | None = None,
        group: str | None = None,
        mentioned: bool | None = None,
    ) -> Any:
        """Register a handler for text and media messages (decorator, with or without filters).

        Args:
            handler: the handler, if the decorator is used without filters.
            pattern: a regular expression to search for in the text; `ctx.match` is the match. None for any text.
            direct: True selects messages to the bot itself, False messages to groups, None both.
            group: only messages to the group with this guid; None for all messages.
            mentioned: True selects messages that mention the bot, False those that do not, None both.

        Raises:
            re.error: the pattern is invalid.
            TypeError: the handler is not async, or cannot be called with a context.
        """
        compiled = re.compile(pattern) if pattern is not None else None

        def matches(ctx: Context) -> bool:
            to_group = ctx.message.receiver_type == ReceiverType.GROUP
            if direct is not None and direct == to_group:
                return False
            if group is not None and not (to_group and ctx.message.receiver == stored_id(group)):
                return False
            if mentioned is not None and ctx.message.mentions(self.uid) != mentioned:
                return False
            ctx.match = compiled.search(ctx.text) if compiled is not None else None
            return compiled is None or ctx.match is not None

        if handler is not None:
            return self._add(handler, matches)
        return lambda handler: self._add(handler, matches)

    def on_event(self, kind: type[Any]) -> Callable[[F], F]:
        """Register a handler for a type of event (decorator). The handler is called with the event.

        All handlers of an event are called, one after the other. An exception of a handler is only logged.

        ```python
        @bot.on_event(ReactionChanged)
        async def on_reaction(event: ReactionChanged) -> None: ...
        ```

        Args:
            kind: an event type, such as `ReactionChanged`.

        Raises:
            TypeError: `kind` is not an event type, or the handler is not async, or cannot be called with an event.
        """
        if not isinstance(kind, type) or not issubclass(kind, Event):
            raise TypeError(f"{kind!r} is not an event type: give ReactionChanged, MessageEdited …")

        def add(handler: F) -> F:
            self._event_handlers.append((kind, checked_handler(handler, "event")))
            return handler

        return add

    def on_error(self, handler: F) -> F:
        """Register the error handler, such as `async def sorry(ctx, error)` (decorator). It replaces an earlier one.

        It is called after a message handler raised an exception or timed out, but not for handlers of events. The
        exception is logged as well.

        Args:
            handler: receives the context and the exception.

        Raises:
            TypeError: the handler is not async, or cannot be called with a context and an exception.
        """
        self._error_handler = checked_handler(handler, "ctx", "error")
        return handler

    def _add(self, handler: F, matches: Matches) -> F:
        self._routes.append((checked_handler(handler, "ctx"), matches))
        return handler

    # Running.

    def run(self) -> None:
        """Run the bot until SIGINT or SIGTERM (in the main thread only). Running handlers then have 10 s to finish.

        If the bot cannot run, because its login is refused or another process runs it, the program ends: two lines on
        stderr say why and what to do, and the exit code is 1. The log has the traceback, at level DEBUG. Use `serve`
        for a program that handles this itself. While the server cannot be reached, the bot waits, and warns in the log.

        Raises:
            RuntimeError: the bot is running already, or this is called in an event loop.
            SystemExit: the bot cannot run, or a handler raised `SystemExit`.
            Exception: whatever `auth_token_provider` raises at a login.
        """
        if is_in_a_loop():
            raise RuntimeError("an event loop is running in this thread: use await bot.serve()")
        try:
            main_loop.run(self.serve())
        except (CometChatException, WrongToken) as e:
            log.debug("the bot cannot run", exc_info=e)
            raise SystemExit(cannot_run_text(self.uid, e)) from e
        except Exception as e:  # of the author's token provider
            e.__traceback__ = exc_info_from_author(e, complete=True)[2]
            raise

    async def serve(self) -> None:
        """Run the bot in this event loop until cancelled. Handlers that are running then have 10 seconds to finish.

        Raises:
            RuntimeError: the bot is running already.
            CometChatException: `SESSION_IN_USE` if another process on this computer runs the bot; `SESSION_NOT_READ`
                if its saved session cannot be read, which stays saved; `ERR_CHAT_API_FAILURE` as for `ChatClient.init`;
                or the login was refused, with the codes of `ChatClient.login`. While the server cannot be reached,
                nothing is raised: the bot waits.
            ValueError: the token from `auth_token_provider` belongs to another user, or is not a token.
            Exception: whatever `auth_token_provider` raises at a login.
            SystemExit, KeyboardInterrupt: a handler raised it.
        """
        store = self._session_store if self._session_store is not None else session_store_of(self._given_uid)
        chat = ChatClient(self._app_id, self._settings, session_store=store, auth_token_provider=self._provider)
        await self._serve(chat, self._auth_key)

    async def _serve(self, chat: ChatClient, auth_key: str) -> None:
        if self._chat is not None:
            raise RuntimeError("the bot is running already")
        self._chat, self._exit_error = chat, None
        self._drafts: dict[str, Draft] = {}
        self._last_failure = ""
        events = chat.events(acknowledge=True)
        self._queues = ConversationQueues(events, self._concurrency)
        serving = asyncio.current_task()
        assert serving is not None
        try:
            async with chat:
                user = chat.get_logged_in_user()
                if user is None or user.uid != self.uid:
                    await self._log_in(chat, auth_key)
                self._stop = serving.cancel
                try:
                    async for event in events:
                        rejected = isinstance(event, ConnectionFailed) and event.error.code == "ERR_AUTH_TOKEN_EXPIRED"
                        if rejected and auth_key:  # with a provider, the client renews the token
                            await self._log_in(chat, auth_key)
                        self._handle_internally(event)
                        self._queues.put(event, self._work_of(event))
                except asyncio.CancelledError:
                    # If the stream was closed instead, events that arrive until the end would not come again.
                    if self._exit_error is None or serving.uncancel():
                        raise
                finally:
                    self._stop = None
                    await self._queues.finish()
                if self._exit_error is not None:
                    raise self._exit_error
        finally:
            self._chat = None

    async def _log_in(self, chat: ChatClient, auth_key: str) -> None:
        async def log_in() -> None:
            if auth_key:
                await chat.login(self.uid, auth_key=auth_key)
            elif self._provider is not None:
                user = await chat.login_with_auth_token(await token_of(self._provider))
                if user.uid != self.uid:
                    raise WrongToken(f"the token is {user.uid}'s, and the bot is {self.uid}")

        await call_until_reached(log_in, retried=RETRYABLE_CODES)

    def _handle_internally(self, event: Event) -> None:
        if isinstance(event, ConnectionFailed):
            level = logging.INFO if self._last_failure == str(event.error) else logging.WARNING
            log.log(level, "no connection to the server: %s", event.error)
            self._last_failure = str(event.error)
        elif isinstance(event, TransientReceived):
            draft = self._drafts.get(str(event.message.data.get("stop")))
            if draft is not None:
                draft.stop(event.message.sender.uid)
        elif isinstance(event, HistoryGap):
            log.warning("too many messages were missed: %d to %d are not handled", event.from_id + 1, event.to_id)

    def _work_of(self, event: Event) -> Work:
        work: list[Callable[[], Awaitable[object]]] = []
        message = event.message if isinstance(event, MessageReceived) else None
        if isinstance(message, TextMessage | MediaMessage) and self._is_for_handlers(message):
            ctx = Context(self.chat, message, self._drafts, self._queues)
            handler = next((handler for handler, matches in self._routes if matches(ctx)), None)
            if handler is not None:
                work.append(partial(self._answer, ctx, handler))
        calls = [partial(handler, event) for kind, handler in self._event_handlers if isinstance(event, kind)]
        return [*work, *(partial(self._run_handler, call.func, call, None) for call in calls)]

    def _is_for_handlers(self, message: TextMessage | MediaMessage) -> bool:
        sender = message.sender
        return sender.uid != self.uid and sender.role not in self._ignored_roles and not message.deleted_at

    async def _answer(self, ctx: Context, handler: Handler) -> None:
        error = await self._run_handler(handler, partial(ctx._run, handler), ctx)
        if isinstance(error, Exception) and self._error_handler is not None:
            await self._run_handler(self._error_handler, partial(ctx._run, self._error_handler, error), ctx)

    async def _run_handler(
        self, handler: Callable[..., Any], work: Callable[[], Awaitable[None]], ctx: Context | None
    ) -> BaseException | None:
        limit = asyncio.timeout(self._handler_timeout)
        if ctx is not None:
            ctx._limit = limit
        error = await run_handler(work, limit, self._handler_timeout, lambda: ctx is not None and ctx.stopped)
        if isinstance(error, SystemExit | KeyboardInterrupt):
            self._exit_error = error
            stop, self._stop = self._stop, None
            if stop is not None:
                stop()
        elif error is not None:
            lines = exc_info_from_author(error, complete=log.isEnabledFor(logging.DEBUG))
            log.error("a handler failed: %s", getattr(handler, "__qualname__", repr(handler)), exc_info=lines)
        return error


def _with_bot_catch_up(settings: AppSettings) -> AppSettings:
    # People scroll back through the history; a bot only sees what it catches up with.
    if isinstance(settings, AppSettings) and settings.catch_up_limit is None:
        return replace(settings, catch_up_limit=MAX_MISSED_MESSAGES)
    return settings  # invalid settings are reported by ChatClient
