"""`Context`, which a handler is called with: a received message, and what the bot can do in response."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from tailwire.bot.pausing import paused
from tailwire.bot.queues import ConversationQueues
from tailwire.bot.running import call_until_reached
from tailwire.bot.stream import MAX_STREAM_CHARACTERS, Draft, join_surrogates, split
from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import CometChatException
from tailwire.wire.constants import ReceiverType
from tailwire.wire.entities import BaseMessage, Conversation, MediaMessage, TextMessage, User

T = TypeVar("T")
TYPING_INTERVAL_SECONDS = 10.0
MAX_HISTORY_MESSAGES = 1000


class Context:
    """A received message that a handler is called with, and the actions in response to it.

    Attributes:
        chat: the bot's client.
        message: the `TextMessage` or `MediaMessage`.
        text: its text or caption; "" if it has none.
        args: the words after the command; empty if the handler is not one for commands.
        match: the match of the handler's pattern; None if it has no pattern.
        sender: the user who sent the message.
        stopped: whether the sender stopped a streamed reply (see `stream`). A handler that catches `CancelledError` can
            distinguish this from a timeout or a shutdown.
    """

    def __init__(
        self,
        chat: ChatClient,
        message: TextMessage | MediaMessage,
        drafts: dict[str, Draft],
        queues: ConversationQueues,
    ) -> None:
        self.chat = chat
        self.message = message
        self.text: str = message.text if isinstance(message, TextMessage) else message.caption
        self.args: list[str] = []
        self.match: re.Match[str] | None = None
        self.sender: User = message.sender
        self.stopped: bool = False
        self._drafts, self._queues = drafts, queues
        self._limit = asyncio.Timeout(None)
        self._task: asyncio.Task[Any] | None = None
        self._replies = self._streams = 0
        self._sent: Counter[str] = Counter()
        self._in_group = message.receiver_type == ReceiverType.GROUP
        self._receiver_id = message.receiver if self._in_group else message.sender.uid

    def __repr__(self) -> str:
        return f"Context(message={self.message.id}, sender={self.sender.uid!r}, text={self.text!r})"

    async def _run(self, handler: Callable[..., Awaitable[None]], *more: Any) -> None:
        self._task = asyncio.current_task()  # replies of this task are numbered; see `_reply_name`
        await handler(self, *more)

    async def _retry_until_answered(self, call: Callable[[], Awaitable[T]]) -> T:
        # Repeats a call until the server answers. The time limit of the handler is paused meanwhile.
        async def attempt() -> T:
            if self._queues.interrupted:
                number = self.message.id
                raise RuntimeError(f"the bot has shut down: message {number} is handled again at its next start")
            return await call()

        with paused(self._limit):
            return await call_until_reached(attempt)

    @property
    def conversation(self) -> Conversation:
        """The conversation of the message; `conversation_with` is the other user, or the group."""
        return self.chat.get_conversation_from_message(self.message)

    async def reply(self, text: str, *, thread: bool = False) -> TextMessage:
        """Reply in the same conversation, and in the same thread if the message is in one.

        A text that does not fit into one message is sent as several, cut at the end of a paragraph, line, sentence or
        word where possible. While the server cannot be reached, or the bot has to log in again, this waits and retries.

        A handler that was interrupted and runs again for the same message does not reply twice. Replies are recognised
        by their number: the first, the second and so on of the handler are stored once each. Replies from other tasks
        that it started (`asyncio.gather`, a `TaskGroup`) have no fixed order, so they are recognised by their text.

        Args:
            text: at most 100,000 characters.
            thread: whether to start a thread under the message if it is not in a thread.

        Returns:
            The reply as it was stored; the last part if it was sent as several messages.

        Raises:
            TypeError: `text` is not a string.
            ValueError: the text is empty or too long.
            RuntimeError: the bot has shut down; the message is handled again at its next start.
            CometChatException: as for `ChatClient.send_message`, except that this waits for a server that cannot be
                reached.
        """
        return await self._send(text, thread, {})

    async def react(self, reaction: str) -> None:
        """Add a reaction to the message. While the server cannot be reached, this waits and retries.

        Args:
            reaction: an emoji, or a word of at most 100 characters.

        Raises:
            RuntimeError: the bot has shut down.
            CometChatException: as for `ChatClient.add_reaction`, except that this waits for a server that cannot be
                reached.
        """
        await self._retry_until_answered(lambda: self.chat.add_reaction(self.message.id, reaction))

    @asynccontextmanager
    async def typing(self) -> AsyncIterator[None]:
        """Show the bot as typing until the end of the block: `async with ctx.typing(): …`. Errors are ignored."""
        typing_task = asyncio.create_task(self._keep_typing(), name="tailwire bot typing")
        try:
            yield
        finally:
            typing_task.cancel()
            await asyncio.wait([typing_task])
            with suppress(CometChatException):  # if the client is closed, typing has ended anyway
                await self.chat.end_typing(self._receiver_id, self.message.receiver_type)

    async def _keep_typing(self) -> None:
        with suppress(CometChatException):
            while True:
                await self.chat.start_typing(self._receiver_id, self.message.receiver_type)
                await asyncio.sleep(TYPING_INTERVAL_SECONDS)

    async def history(self, n: int = 20) -> list[BaseMessage]:
        """Return the last messages of the conversation, this message being the last of them. The oldest is first.

        Deleted messages and action messages are left out. While the server cannot be reached, this waits and retries.

        Args:
            n: the maximum number of messages, including this one; 1 to 1,000.

        Raises:
            ValueError: `n` is out of range.
            RuntimeError: the bot has shut down.
            CometChatException: `ERR_UID_NOT_FOUND` if the other user was deleted, `ERR_NOT_A_MEMBER` if the bot has
                left the group, or another code of the server.
        """
        if not 1 <= n <= MAX_HISTORY_MESSAGES:
            raise ValueError(f"history({n!r}): ask for 1 to {MAX_HISTORY_MESSAGES} messages")
        return await self._retry_until_answered(lambda: self._read_history(n))

    async def _read_history(self, n: int) -> list[BaseMessage]:
        newest_first: list[BaseMessage] = [self.message]
        uid, guid = ("", self._receiver_id) if self._in_group else (self._receiver_id, "")
        before, page = self.message.id, min(n, 100)
        async for message in self.chat.messages(uid=uid, guid=guid, before=before, page_size=page, actions=False):
            if len(newest_first) >= n:
                break
            if not message.deleted_at:
                newest_first.append(message)
        return newest_first[::-1]

    async def stream(self, parts: AsyncIterable[str], *, thread: bool = False) -> TextMessage:
        """Reply with a text that readers see while it is written. At the end it is sent as a message, as `reply` does.

        ```python
        await ctx.stream(model(await ctx.history(20)))
        ```

        While it is written, readers receive `DraftChanged` events. The sender of the message can stop the reply
        (`ChatClient.stop_draft`). The text so far is then sent with `metadata["stopped"]`, the attribute `stopped`
        becomes True, and this raises `CancelledError`. A text is cut off after 100,000 characters, and sent with
        `metadata["stopped"]` but without an error. Whitespace at the end is removed.

        Args:
            parts: yields the parts of the text in order, such as the tokens of a language model.
            thread: whether to start a thread under the message if it is not in a thread.

        Returns:
            As for `reply`.

        Raises:
            TypeError: `parts` is not an async iterator, or yields something other than strings.
            ValueError: the text is empty.
            asyncio.CancelledError: the sender stopped the reply.
            RuntimeError: the bot has shut down; the message is handled again at its next start.
            CometChatException: as for `reply`.
            Exception: whatever `parts` raises; no message is sent then.
        """
        if not isinstance(parts, AsyncIterable):
            raise TypeError(f"parts is a {type(parts).__name__}: give an async iterator of strings")
        self._streams += 1
        name, kind = f"{self.message.id}.{self._streams}", self.message.receiver_type
        draft = Draft(self.chat, self._receiver_id, kind, self.sender.uid, self.message.id, name, self._drafts)

        async def send() -> TextMessage:
            stopped = {"stopped": True} if draft.stopped else {}
            return await self._send(draft.text.rstrip(), thread, {"draft": name, **stopped})

        try:
            try:
                await draft.write(parts)
            except asyncio.CancelledError:
                if draft.stopped:
                    self.stopped = True
                    if draft.text.strip():
                        await send()
                raise
            return await send()
        finally:
            await draft.end()

    async def _send(self, text: str, thread: bool, metadata: dict[str, Any]) -> TextMessage:
        if not isinstance(text, str):
            raise TypeError(f"the text is a {type(text).__name__}: give a str")
        if len(text) > MAX_STREAM_CHARACTERS:
            raise ValueError(f"the text has {len(text)} characters: send at most {MAX_STREAM_CHARACTERS}, or a file")
        text = join_surrogates(text)
        stored: TextMessage | None = None
        parent = self.message.parent_message_id or (self.message.id if thread else 0)
        for part in split(text):
            message = TextMessage(
                receiver=self._receiver_id,
                receiver_type=self.message.receiver_type,
                text=part,
                parent_message_id=parent,
                metadata=metadata,
                muid=f"bot-{self.message.id}-{self._reply_name(part)}",
            )
            stored = await self._retry_until_answered(partial(self.chat.send_message, message))
        if stored is None:
            raise ValueError("the text is empty: give at least one visible character")
        return stored

    def _reply_name(self, part: str) -> str:
        # Must be the same when an interrupted handler runs again. Replies of its own task are numbered, because a model
        # may word them differently. Those of other tasks come in any order, so they are named by their text.
        if asyncio.current_task() is self._task:
            self._replies += 1
            return str(self._replies)
        words = hashlib.sha256(part.encode()).hexdigest()[:16]
        self._sent[words] += 1
        return f"{words}-{self._sent[words]}"
