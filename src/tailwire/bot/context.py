"""What a handler is given: the message, and what can be done about it."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from tailwire.bot.retrying import WaitTime, until_reached
from tailwire.bot.stream import MAX_STREAM, Draft, joined, split
from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import CometChatException
from tailwire.wire.constants import ReceiverType
from tailwire.wire.entities import BaseMessage, Conversation, MediaMessage, TextMessage, User

TYPING_AGAIN = 10.0
MAX_HISTORY = 1000


class Context:
    """A message that a bot handles.

    Attributes:
        chat: the bot's client, for everything that is not here.
        message: the `TextMessage` or `MediaMessage`.
        text: its text or caption; "" where it has none.
        args: the words behind a command.
        match: of the handler's pattern; None without one.
        sender: who wrote it.
        stopped: a reader has stopped an answer of this handler; a `CancelledError` without it is the end of the bot,
            or of the handler's time.
    """

    def __init__(
        self,
        chat: ChatClient,
        message: TextMessage | MediaMessage,
        drafts: dict[str, Draft],
        has_ended: Callable[[], bool] = lambda: False,
    ) -> None:
        self.chat = chat
        self.message = message
        self.text: str = message.text if isinstance(message, TextMessage) else message.caption
        self.args: list[str] = []
        self.match: re.Match[str] | None = None
        self.sender: User = message.sender
        self.stopped = False
        self._drafts = drafts
        self._has_ended = has_ended
        self._waits = WaitTime()
        self._task: asyncio.Task[Any] | None = None
        self._replies = self._streams = 0
        self._said: Counter[str] = Counter()
        self._group = message.receiver_type == ReceiverType.GROUP
        self._to = message.receiver if self._group else message.sender.uid

    def _begin(self) -> None:
        # A handler begins: what it says in this task comes in an order that is the same when it runs again.
        self._task = asyncio.current_task()

    @property
    def conversation(self) -> Conversation:
        """The conversation that it belongs to; `conversation_with` is the other user, or the group."""
        return self.chat.get_conversation_from_message(self.message)

    async def reply(self, text: str, *, thread: bool = False) -> TextMessage:
        """Answer in the same conversation, and in the same thread where the message is in one.

        A text that is longer than a message can be is sent as several, cut where a paragraph ends. While the server
        is not reached, or the bot has to log in again, this waits and sends again. A handler that was killed and runs
        again does not answer twice: its first answer, its second and so on are each stored once. Answers from other
        tasks than the handler's own (`asyncio.gather`, a `TaskGroup`) come in any order, and are known by their text
        instead: there the same text is stored once.

        Args:
            text: what to say.
            thread: begin a thread under the message.

        Returns:
            The message as it was stored; of several, the last.

        Raises:
            TypeError: it is no text.
            ValueError: the text is empty, or has more than 100,000 characters.
            RuntimeError: the bot has ended: the message is handled again at its next start.
            CometChatException: as the server refused it.
        """
        return await self._send(text, thread, {})

    def _check(self) -> None:
        if self._has_ended():
            raise RuntimeError(f"the bot has ended: message {self.message.id} is handled again at its next start")

    async def react(self, reaction: str) -> None:
        """React to the message with an emoji. WaitTime for the server as `reply` does.

        Raises:
            RuntimeError: the bot has ended.
            CometChatException: as the server refused it.
        """
        await until_reached(lambda: self.chat.add_reaction(self.message.id, reaction), self._waits, self._check)

    @asynccontextmanager
    async def typing(self) -> AsyncIterator[None]:
        """Show that the bot types, for as long as the block runs: `async with ctx.typing(): …`."""
        keeping = asyncio.create_task(self._keep_typing(), name="tailwire bot typing")
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])
            with suppress(CometChatException):  # the client may be closed, and then nobody sees it type
                await self.chat.end_typing(self._to, self.message.receiver_type)

    async def _keep_typing(self) -> None:
        with suppress(CometChatException):
            while True:
                await self.chat.start_typing(self._to, self.message.receiver_type)
                await asyncio.sleep(TYPING_AGAIN)

    async def history(self, n: int = 20) -> list[BaseMessage]:
        """Return the last messages of the conversation up to this one, oldest first; deleted ones are left out.

        Args:
            n: how many at most, this one included; 1 to 1,000.

        Raises:
            ValueError: for another `n`.
            RuntimeError: the bot has ended.
            CometChatException: as the server refused it. While it is not reached, this waits.
        """
        if not 1 <= n <= MAX_HISTORY:
            raise ValueError(f"history({n!r}): ask for 1 to {MAX_HISTORY} messages")
        return await until_reached(lambda: self._history(n), self._waits, self._check)

    async def _history(self, n: int) -> list[BaseMessage]:
        found: list[BaseMessage] = [self.message]
        uid, guid = ("", self._to) if self._group else (self._to, "")
        before, page = self.message.id, min(n, 100)
        async for message in self.chat.messages(uid=uid, guid=guid, before=before, limit=page, actions=False):
            if len(found) >= n:
                break
            if not message.deleted_at:
                found.append(message)
        return found[::-1]

    async def stream(self, parts: AsyncIterable[str], *, thread: bool = False) -> TextMessage:
        """Answer with a text that grows while it is written, and is one message in the end.

        Who reads can follow it as `DraftChanged`. Whoever asked can stop it (`chat.stop_draft`): then this raises
        `CancelledError`, after what there was has been sent with `metadata["stopped"]`, and `stopped` is True. A
        stream that goes on for more than 100,000 characters is stopped likewise, without an error.

        Args:
            parts: of the text, as a model gives them.
            thread: begin a thread under the message.

        Returns:
            As `reply`.

        Raises:
            TypeError: it is no async iterator, or gave something else than text.
            ValueError: the stream gave no text.
            RuntimeError: the bot has ended.
            CometChatException: as the server refused it.
        """
        if not isinstance(parts, AsyncIterable):
            raise TypeError(f"stream() takes an async iterator of text, not a {type(parts).__name__}")
        self._streams += 1
        name = f"{self.message.id}.{self._streams}"
        kind = self.message.receiver_type
        draft = Draft(self.chat, self._to, kind, self.sender.uid, self.message.id, name, self._drafts)
        try:
            try:
                await draft.write(parts)
            except asyncio.CancelledError:
                self.stopped = self.stopped or draft.stopped
                if draft.stopped and draft.text.strip():
                    await self._send(draft.text, thread, {"draft": name, "stopped": True})
                raise
            return await self._send(draft.text, thread, {"draft": name, **({"stopped": True} if draft.stopped else {})})
        finally:
            await draft.end()

    async def _send(self, text: str, thread: bool, metadata: dict[str, Any]) -> TextMessage:
        if not isinstance(text, str):
            raise TypeError(f"a {type(text).__name__} is no text: give a str")
        if len(text) > MAX_STREAM:
            raise ValueError(f"the text has {len(text)} characters: send at most {MAX_STREAM}, or a file")
        text = joined(text)
        stored: TextMessage | None = None
        parent = self.message.parent_message_id or (self.message.id if thread else 0)
        for part in split(text):
            message = TextMessage(
                receiver=self._to,
                receiver_type=self.message.receiver_type,
                text=part,
                parent_message_id=parent,
                metadata=metadata,
                muid=f"bot-{self.message.id}-{self._name(part)}",
            )
            stored = await until_reached(partial(self.chat.send_message, message), self._waits, self._check)
        if stored is None:
            raise ValueError("there is no text to send: give at least one character that can be seen")
        return stored

    def _name(self, part: str) -> str:
        # The same when a handler that was killed runs again: by number, as a model may word it differently then. What
        # other tasks say comes in any order, and would be taken for each other.
        if asyncio.current_task() is self._task:
            self._replies += 1
            return str(self._replies)
        words = hashlib.sha256(part.encode()).hexdigest()[:16]
        self._said[words] += 1
        return f"{words}-{self._said[words]}"
