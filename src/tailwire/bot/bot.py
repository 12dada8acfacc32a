"""`Bot`: a user whose messages are answered by handlers."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar, overload

from tailwire.adapters import main_loop
from tailwire.bot.context import Context
from tailwire.bot.desk import Desk
from tailwire.bot.reaching import Waits, until_reached
from tailwire.bot.work import Job
from tailwire.sdk.app_settings import AppSettings, AppSettingsBuilder
from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.io.files import FileSessionStore
from tailwire.sdk.listeners.events import ConnectionFailed, Event, HistoryGap, MessageReceived, TransientReceived
from tailwire.sdk.retry import RETRYABLE
from tailwire.sdk.session import SessionStore
from tailwire.sdk.tokens import TokenProvider
from tailwire.wire.constants import ReceiverType
from tailwire.wire.entities import MediaMessage, TextMessage

log = logging.getLogger("tailwire.bot")

MAX_WAIT = 60.0
MAX_AT_ONCE = 1000
HANDLER_TIMEOUT = 600.0
MAX_MISSED = 10_000
"""Messages that a bot catches up with, where its settings do not say otherwise."""
Handler = Callable[[Context], Awaitable[None]]
ErrorHandler = Callable[[Context, Exception], Awaitable[None]]
F = TypeVar("F", bound=Callable[..., Awaitable[None]])


@dataclass(frozen=True, slots=True)
class _Rule:
    handler: Handler
    fits: Callable[[Context], bool]


class Bot:
    """A bot: handlers for what a user of its own is sent.

    ```python
    bot = Bot("app-id", settings, uid="bob", auth_key="…")


    @bot.on_message
    async def answer(ctx: Context) -> None:
        await ctx.reply(f"You said: {ctx.text}")


    bot.run()
    ```

    The first handler that fits, in the order in which they were defined, gets a message. The messages of a conversation
    are handled one after the other, those of several conversations side by side. What came while the bot did not run is
    handled at its next start; a message whose handler was killed is handled again then. A handler that failed is not
    run again.

    Args:
        app_id: of the app.
        settings: made by `AppSettingsBuilder`.
        uid: of the bot's user.
        auth_key: to log in with; or
        auth_token_provider: an async function that gives an auth token of the bot's user.
        session_store: where the session is kept; by default a file of this bot alone, in the platform's user data
            folder.
        concurrency: how many handlers run at once, 1 to 1,000.
        handler_timeout: seconds that a handler may take; then it is cancelled and has failed, with `TimeoutError`. Time
            in which an answer waits for the server does not count. None for no limit.
        ignored_roles: messages of users with these roles are not handled, so that bots do not answer each other.

    Raises:
        ValueError: there is no uid, not exactly one of `auth_key` and `auth_token_provider`, or `concurrency` or
            `handler_timeout` is out of bounds.
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
        handler_timeout: float | None = HANDLER_TIMEOUT,
        ignored_roles: Collection[str] = ("bot",),
    ) -> None:
        if not uid:
            raise ValueError("the bot has no uid: give uid= of the user that it speaks as")
        if bool(auth_key) == (auth_token_provider is not None):
            raise ValueError("give auth_key= or auth_token_provider=, one of them")
        if not 1 <= concurrency <= MAX_AT_ONCE:
            raise ValueError(f"concurrency={concurrency!r}: give 1 to {MAX_AT_ONCE}")
        if handler_timeout is not None and not (isinstance(handler_timeout, int | float) and handler_timeout > 0):
            raise ValueError(f"handler_timeout={handler_timeout!r}: give seconds above 0, or None for no limit")
        if isinstance(ignored_roles, str):
            raise ValueError(f'ignored_roles={ignored_roles!r}: give a list, ["{ignored_roles}"]')
        self.uid = uid
        self._app_id, self._session_store = app_id, session_store
        self._settings = _catching_up(settings)
        self._handler_timeout = handler_timeout
        self._auth_key, self._provider = auth_key, auth_token_provider
        self._ignored = frozenset(ignored_roles)
        self._concurrency = concurrency
        self._rules: list[_Rule] = []
        self._on_event: list[tuple[type[Any], Callable[[Any], Awaitable[None]]]] = []
        self._on_error: ErrorHandler | None = None
        self._chat: ChatClient | None = None

    @property
    def chat(self) -> ChatClient:
        """The bot's client.

        Raises:
            RuntimeError: the bot does not run.
        """
        if self._chat is None:
            raise RuntimeError("the bot does not run: its client is there from run() or serve() on")
        return self._chat

    # What is handled.

    def command(self, *names: str) -> Callable[[F], F]:
        """Handle `/name …` (a decorator). `ctx.args` has the words behind it; capitals make no difference.

        Raises:
            ValueError: no name, or one that is no word.
        """
        if not names or any(not isinstance(name, str) or not re.fullmatch(r"\w[\w-]*", name) for name in names):
            raise ValueError(f'command{names}: give names without the slash, such as command("help")')
        known = {name.lower() for name in names}

        def fits(ctx: Context) -> bool:
            words = ctx.text.split()
            if not words or words[0][:1] != "/" or words[0][1:].lower() not in known:
                return False
            ctx.args = words[1:]
            return True

        return lambda handler: self._add(handler, fits)

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
        """Handle text and media messages (a decorator, with filters or without).

        Args:
            pattern: a regular expression that is found in the text; `ctx.match` is the match.
            direct: True: only what was sent to the bot alone; False: only what was sent to groups.
            group: only what was sent to the group of this guid.
            mentioned: whether the text mentions the bot.

        Raises:
            re.error: the pattern is none.
            TypeError: the handler is not async.
        """
        found = re.compile(pattern) if pattern is not None else None

        def fits(ctx: Context) -> bool:
            m = ctx.message
            to_group = m.receiver_type == ReceiverType.GROUP
            if direct is not None and direct == to_group:
                return False
            if group is not None and not (to_group and m.receiver == group):
                return False
            if mentioned is not None and m.mentions(self.uid) != mentioned:
                return False
            ctx.match = found.search(ctx.text) if found is not None else None
            return found is None or ctx.match is not None

        if handler is not None:
            return self._add(handler, fits)
        return lambda handler: self._add(handler, fits)

    def on_event(self, kind: type[Any]) -> Callable[[F], F]:
        """Handle the events of a type, such as `ReactionChanged` (a decorator). The handler is given the event.

        Raises:
            TypeError: it is no type of event.
        """
        if not isinstance(kind, type) or not issubclass(kind, Event):
            raise TypeError(f"{kind!r} is no type of event: give ReactionChanged, MessageEdited …")

        def add(handler: F) -> F:
            self._on_event.append((kind, _checked(handler)))
            return handler

        return add

    def on_error(self, handler: F) -> F:
        """Be told when a handler of messages failed (a decorator): `async def sorry(ctx, error)`. It is logged, too."""
        self._on_error = _checked(handler)
        return handler

    def _add(self, handler: F, fits: Callable[[Context], bool]) -> F:
        self._rules.append(_Rule(_checked(handler), fits))
        return handler

    # Its life.

    def run(self) -> None:
        """Run until SIGINT or SIGTERM; then nothing new is begun, and what is under way has 10 seconds to finish.

        Raises:
            RuntimeError: it runs already, or this is called within an event loop.
            CometChatException: the login was refused.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            main_loop.run(self.serve())
        else:
            raise RuntimeError("an event loop runs already: use await bot.serve()")

    async def serve(self) -> None:
        """Run within a program, until cancelled; it ends as `run` does.

        Raises:
            RuntimeError: it runs already.
            CometChatException: the login was refused.
        """
        await self._serve(
            ChatClient(
                self._app_id,
                self._settings,
                session_store=self._session_store if self._session_store is not None else _store_of(self.uid),
                auth_token_provider=self._provider,
            ),
            self._auth_key,
        )

    async def _serve(self, chat: ChatClient, auth_key: str) -> None:
        if self._chat is not None:
            raise RuntimeError("the bot runs already")
        self._chat = chat
        try:
            events = chat.events(acknowledge=True)
            async with chat:
                user = chat.get_logged_in_user()
                if user is None or user.uid != self.uid:
                    await self._log_in(chat, auth_key)
                desk = Desk(
                    events,
                    self._concurrency,
                    self._handler_timeout,
                    lambda event: self._jobs_of(desk, event),
                    self._message_again,
                )
                try:
                    async for event in events:
                        if desk.leaving is not None:
                            break
                        if isinstance(event, ConnectionFailed) and event.error.code == "ERR_AUTH_TOKEN_EXPIRED":
                            if auth_key:  # a provider is asked by the client
                                await self._log_in(chat, auth_key)
                        else:
                            self._take(desk, event)
                finally:
                    await desk.finish()
                if desk.leaving is not None:
                    raise desk.leaving
        finally:
            self._chat = None

    async def _log_in(self, chat: ChatClient, auth_key: str) -> None:
        wait = 1.0
        while True:
            try:
                if auth_key:
                    await chat.login(self.uid, auth_key=auth_key)
                elif self._provider is not None:
                    user = await chat.login_with_auth_token(await self._provider())
                    if user.uid != self.uid:
                        raise ValueError(f"the token is {user.uid}'s, and the bot is {self.uid}")
                return
            except CometChatException as e:
                if e.code not in RETRYABLE:
                    raise
                log.warning("the login waits, the server is not reached: %s", e)
                await asyncio.sleep(max(wait, e.retry_after or 0.0))
                wait = min(wait * 2, MAX_WAIT)

    def _take(self, desk: Desk, event: Event) -> None:
        if isinstance(event, TransientReceived) and isinstance(event.message.data.get("stop"), str):
            draft = desk.drafts.get(event.message.data["stop"])
            if draft is not None:
                draft.stop(event.message.sender.uid)
        elif isinstance(event, HistoryGap):
            log.warning("too much was missed: messages %d to %d are not handled", event.from_id + 1, event.to_id)
        desk.put(event)

    async def _message_again(self, number: int) -> Event | None:
        try:
            message = await until_reached(lambda: self.chat.get_message(number), Waits(), lambda: None)
        except CometChatException as e:
            log.warning("message %d is not there any more, and is not handled: %s", number, e)
            return None
        return MessageReceived(message)

    def _jobs_of(self, desk: Desk, event: Event) -> list[Job]:
        jobs: list[Job] = []
        message = event.message if isinstance(event, MessageReceived) else None
        if isinstance(message, TextMessage | MediaMessage) and self._concerns(message):
            ctx = Context(self.chat, message, desk.drafts, lambda: desk.cut)
            rule = next((rule for rule in self._rules if rule.fits(ctx)), None)
            if rule is not None:
                jobs.append(self._job(rule.handler, ctx))
        jobs += [Job(partial(handler, event)) for kind, handler in self._on_event if isinstance(event, kind)]
        return jobs

    def _concerns(self, message: TextMessage | MediaMessage) -> bool:
        sender = message.sender
        return sender.uid != self.uid and sender.role not in self._ignored and not message.deleted_at

    def _job(self, handler: Handler, ctx: Context) -> Job:
        async def work() -> None:
            ctx._begin()
            await handler(ctx)

        async def failed(error: Exception) -> None:
            ctx._begin()
            if self._on_error is not None:
                await self._on_error(ctx, error)

        return Job(work, failed, ctx._waits)


def _catching_up(settings: AppSettings) -> AppSettings:
    # A person reads on in the history; nobody does so for a bot.
    if isinstance(settings, AppSettings) and settings.catch_up_limit == AppSettingsBuilder().build().catch_up_limit:
        return replace(settings, catch_up_limit=MAX_MISSED)
    return settings  # the client says what is wrong with them


def _store_of(uid: str) -> FileSessionStore:
    # Several bots on one machine, and the user's own client, do not share a session.
    from platformdirs import user_data_path

    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in uid)[:60]
    name = f"{safe}-{hashlib.sha256(uid.encode()).hexdigest()[:8]}"
    return FileSessionStore(user_data_path("tailwire", appauthor=False) / "bots" / name)


def _checked(handler: F) -> F:
    if not callable(handler):
        raise TypeError(f"{handler!r} is no handler: give filters by their names, such as pattern=…")
    if not inspect.iscoroutinefunction(handler) and not inspect.iscoroutinefunction(getattr(handler, "__call__", None)):  # noqa: B004
        name = getattr(handler, "__qualname__", repr(handler))
        raise TypeError(f"{name} is not async: a handler is written with async def")
    return handler
