"""`bot_test`: talk to a bot in a test, with a real server in the process, on virtual time, without a network."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tailwire.bot.bot import Bot
from tailwire.sdk.app_settings import AppSettingsBuilder
from tailwire.sdk.client import ChatClient
from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.listeners.events import DraftChanged
from tailwire.sdk.listeners.interfaces import MessageListener
from tailwire.sdk.session import MemorySessionStore, SessionStore
from tailwire.testing.virtual.loop import VirtualLoop
from tailwire.testing.virtual.world import VirtualSdkWorld, VirtualServer
from tailwire.wire.entities import BaseMessage, Group, GroupMember, TextMessage, TypingIndicator

T = TypeVar("T")
POLL_INTERVAL_SECONDS = 0.25
"""Virtual seconds between two checks of whether the bot is done."""


class _Recorder(MessageListener):
    def __init__(self, drafts: list[DraftChanged]) -> None:
        self.texts: list[str] = []
        self.typing: list[str] = []
        self._drafts = drafts

    def on_text_message_received(self, message: TextMessage) -> None:
        self.texts.append(message.text)

    def on_typing_started(self, indicator: TypingIndicator) -> None:
        self.typing.append("started")

    def on_typing_ended(self, indicator: TypingIndicator) -> None:
        self.typing.append("ended")

    def on_draft_changed(self, draft: DraftChanged) -> None:
        self._drafts.append(draft)


class BotTest:
    """A running bot, and clients that talk to it. Made by `bot_test`.

    Attributes:
        answers: the messages that the bot has sent to the conversation of the last `say`, after that message, in order.
        reactions: the emojis that the message of the last `say` has got as reactions, each once.
        drafts: all `DraftChanged` events that any user of the test has received, in order.
    """

    __test__ = False

    def __init__(self, bot: Bot, folder: Path, runner: asyncio.Runner) -> None:
        self.answers: list[BaseMessage] = []
        self.reactions: list[str] = []
        self.drafts: list[DraftChanged] = []
        self._bot = bot
        self._runner = runner
        self._server = VirtualServer(folder)
        self._store: SessionStore = MemorySessionStore()
        self._clients: dict[str, ChatClient] = {}
        self._recorders: dict[str, _Recorder] = {}
        self._groups: dict[str, set[str]] = {}
        self._running: asyncio.Task[None] | None = None

    def say(self, text: str, *, user: str = "alice", group: str = "", timeout: float = 600.0) -> list[str]:
        """Send a message to the bot, and wait until the bot has processed it.

        Args:
            text: the text of the message; `<@uid:…>` mentions a user.
            user: the sender; created at their first message.
            group: the guid of the receiving group, created with the bot in it at the first message. Without it, the
                message goes to the bot directly.
            timeout: the virtual seconds that the bot may take.

        Returns:
            The texts of the text messages in `answers`.

        Raises:
            TimeoutError: the bot did not finish in time, as when it was stopped with `stop`.
            RuntimeError: the bot has stopped by itself; if an exception has ended it, that one is raised instead.
            ValueError: the user is the bot.
            CometChatException: as `ChatClient.send_message`.
        """
        return self._run(self._say(text, user, group, timeout))

    def post(self, text: str, *, user: str = "alice", group: str = "") -> TextMessage:
        """Send a message without waiting for the bot.

        Args:
            text: the text of the message.
            user: the sender; created at their first message.
            group: the guid of the receiving group, created as by `say`; without it, the message goes to the bot.

        Returns:
            The stored message.

        Raises:
            ValueError: the user is the bot.
            CometChatException: as `ChatClient.send_message`.
        """
        return self._run(self._post(text, user, group))

    def react(self, message: BaseMessage, reaction: str, *, user: str = "alice") -> None:
        """React to a message.

        Args:
            message: a message of `answers`, or what `post` returned.
            reaction: an emoji.
            user: the uid of the user who reacts.

        Raises:
            ValueError: the user is the bot.
            CometChatException: as `ChatClient.add_reaction`.
        """

        async def react() -> None:
            await (await self._client_of(user)).add_reaction(message.id, reaction)

        self._run(react())

    def stop_draft(self, draft: DraftChanged, *, user: str = "alice") -> None:
        """Ask the bot to stop writing a draft, a message that users see while it is written.

        Args:
            draft: one of `drafts`.
            user: the uid of the user who asks for it; only the user who asked the bot may stop it.

        Raises:
            ValueError: the user is the bot.
            CometChatException: as `ChatClient.stop_draft`.
        """

        async def stop() -> None:
            await (await self._client_of(user)).stop_draft(draft)

        self._run(stop())

    def heard(self, user: str = "alice") -> list[str]:
        """Return the texts of all text messages that a user has received, in order; [] for a user who has done nothing.

        Args:
            user: the uid of the user.
        """
        return list(self._recorders[user].texts) if user in self._recorders else []

    def typing(self, user: str = "alice") -> list[str]:
        """Return the typing events that a user has received, in order, each `started` or `ended`.

        Args:
            user: the uid of the user.
        """
        return list(self._recorders[user].typing) if user in self._recorders else []

    def stop(self) -> None:
        """Stop the bot gracefully, as in production. Without effect if it is stopped.

        Raises:
            Exception: the exception that has ended the bot before.
        """
        self._run(self._stop_bot())

    def start(self) -> None:
        """Start the bot again after `stop`, with its saved session, and wait until it is connected.

        Raises:
            RuntimeError: the bot stopped at once; if an exception ended it, that one is raised instead.
        """
        self._run(self._start_bot())

    def wait(self, seconds: float) -> None:
        """Let virtual time pass, in which the bot and its clients run.

        Args:
            seconds: the virtual seconds to wait.
        """
        self._run(asyncio.sleep(seconds))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def _client(self, store: SessionStore) -> ChatClient:
        limit = self._bot._settings.catch_up_limit  # as in the bot's own settings
        settings = AppSettingsBuilder().override_client_host(self._server.url)
        settings = settings.catch_up_after_reconnect(limit=limit)
        world = VirtualSdkWorld(len(self._clients))
        return ChatClient(self._server.app_id, settings.build(), session_store=store, world=world)

    async def _start(self) -> None:
        await self._server.start()
        await self._server.add_users(self._bot.uid)
        await self._start_bot()

    async def _start_bot(self) -> None:
        chat = self._client(self._store)
        self._running = asyncio.create_task(self._bot._serve(chat, self._server.auth_key), name="tailwire bot")
        while chat.get_connection_status() is not ConnectionStatus.CONNECTED or self._position is None:
            await self._pause()

    @property
    def _position(self) -> dict[str, Any] | None:
        # The saved position of the bot: what it has handled.
        return (self._store.load(self._server.app_id) or {}).get("position")

    async def _stop_bot(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.wait([running])
            if not running.cancelled():
                await running  # raises the exception that ended it

    async def _pause(self) -> None:
        if self._running is not None and self._running.done():
            await self._stop_bot()
            raise RuntimeError("the bot has stopped")
        await asyncio.sleep(POLL_INTERVAL_SECONDS)

    async def _client_of(self, uid: str) -> ChatClient:
        if uid == self._bot.uid:
            raise ValueError(f"{uid} is the bot: let another user send to it")
        if uid not in self._clients:
            await self._server.add_users(uid)
            chat = self._clients[uid] = self._client(MemorySessionStore())
            recorder = self._recorders[uid] = _Recorder(self.drafts)
            chat.add_message_listener("tailwire bot test", recorder)
            await chat.init()
            await chat.login(uid, auth_key=self._server.auth_key)
            await chat.wait_connected()
        return self._clients[uid]

    async def _join(self, chat: ChatClient, uid: str, guid: str) -> None:
        if guid not in self._groups:
            await chat.create_group(Group(guid, guid.title(), "public"))
            await chat.add_members_to_group(guid, [GroupMember(self._bot.uid)])
            self._groups[guid] = {uid}
        elif uid not in self._groups[guid]:
            await chat.join_group(guid)
            self._groups[guid].add(uid)

    async def _post(self, text: str, uid: str, guid: str) -> TextMessage:
        chat = await self._client_of(uid)
        if guid:
            await self._join(chat, uid, guid)
        kind: Any = "group" if guid else "user"
        return await chat.send_message(TextMessage(receiver=guid or self._bot.uid, receiver_type=kind, text=text))

    async def _say(self, text: str, uid: str, guid: str, timeout: float) -> list[str]:
        message, chat, me = await self._post(text, uid, guid), self._clients[uid], self._bot.uid
        async with asyncio.timeout(timeout):
            while self._position is None or self._position["last_id"] < message.id:
                await self._pause()
        uid = "" if guid else me
        listed = [m async for m in chat.messages(uid=uid, guid=guid, after=message.id, actions=False)]
        self.answers = [m for m in listed if m.sender.uid == me]
        self.reactions = [counted.reaction for counted in (await chat.get_message(message.id)).reactions]
        return [m.text for m in self.answers if isinstance(m, TextMessage)]

    async def _close(self) -> None:
        try:
            await self._stop_bot()
        finally:
            for chat in self._clients.values():
                await chat.aclose()
            await self._server.stop()


@contextmanager
def bot_test(bot: Bot) -> Iterator[BotTest]:
    """Run a bot for a test: `with bot_test(bot) as chat: assert chat.say("/help") == ["…"]`.

    The bot connects to a server in the process; its own URL and keys are not used. Time is virtual, so waiting takes
    no real time. The bot's handlers run as they are, but cannot use a real network or thread: replace these in the
    test. If an exception has ended the bot, it is raised by the next call of the `BotTest`, or at the end of the block.

    Args:
        bot: the bot.

    Raises:
        RuntimeError: an event loop is running; use it in a test that is not async.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError("bot_test() runs an event loop of its own: use it in a test that is not async")
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=VirtualLoop) as runner:
        test = BotTest(bot, Path(folder), runner)
        runner.run(test._start())
        try:
            yield test
        finally:
            runner.run(test._close())
