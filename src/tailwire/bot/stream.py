"""A streamed reply: its growing text is sent as drafts. At the end, `Context.stream` sends the final message."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import CometChatException
from tailwire.wire.constants import ReceiverTypeName
from tailwire.wire.entities import TransientMessage

log = logging.getLogger("tailwire.bot")

MAX_TEXT_BYTES = 8000
"""The maximum size of a message's text in JSON. The server limits the whole data of a message to 10 KB by default."""
MAX_STREAM_CHARACTERS = 100_000
MIN_PAUSE_SECONDS = 0.25
"""The minimum time between two drafts of a reply."""
MAX_DRAFTS_PER_SECOND = 40
"""The maximum number of drafts, for all replies of a bot. The server allows a socket 100 frames per second."""
KEEP_ALIVE_SECONDS = 8.0
"""The time after which an unchanged draft is sent again. Readers assume that it has ended after 15 seconds."""


@dataclass(slots=True)
class Draft:
    """A reply of a bot that is being written, and whose text so far is sent to its readers.

    Attributes:
        chat: the bot's client.
        receiver: the uid of the reader, or the guid of the readers' group.
        receiver_type: `user` or `group`.
        asker: the uid of the user whose message is answered, who may stop the reply.
        reply_to: the id of the message that it answers.
        name: the id of the draft.
        drafts: all drafts that the bot is writing, by id. `write` adds this one, and removes it at the end.
        stopped: whether the asker stopped it, or it was cut off because it became too long.
    """

    chat: ChatClient
    receiver: str
    receiver_type: ReceiverTypeName
    asker: str
    reply_to: int
    name: str
    drafts: dict[str, Draft]
    stopped: bool = False
    _text: str = ""
    _grown: asyncio.Event = field(default_factory=asyncio.Event)
    _seq: int = field(default_factory=lambda: int(time.time() * 1000))  # also increases across restarts
    _task: asyncio.Task[Any] | None = None

    @property
    def text(self) -> str:
        """The text so far. Half a surrogate pair at its end is left out until the other half has arrived."""
        return join_surrogates(self._text)

    def stop(self, uid: str) -> None:
        """Cancel the task that writes the reply, if the user `uid`, who wants to stop it, is its asker."""
        if uid == self.asker and self._task is not None and not self.stopped:
            self.stopped = True
            self._task.cancel()

    async def write(self, parts: AsyncIterable[str]) -> None:
        """Read the parts and append them to the text, and send drafts meanwhile.

        A text that has reached `MAX_STREAM_CHARACTERS` is cut off, and no further parts are read.

        Raises:
            asyncio.CancelledError: the asker stopped the reply.
            TypeError: a part is not a string.
            Exception: whatever `parts` raises.
        """
        self._task, self.drafts[self.name] = asyncio.current_task(), self
        sending = asyncio.create_task(self._send_drafts(), name="tailwire bot draft")
        try:
            async with AsyncExitStack() as stack:
                if close := getattr(parts, "aclose", None):  # a generator that is abandoned ends at once
                    stack.push_async_callback(close)
                async for part in parts:
                    if not isinstance(part, str):
                        raise TypeError(f"the stream yielded a {type(part).__name__}: yield parts of the text, as str")
                    self._text += part[: MAX_STREAM_CHARACTERS - len(self._text)]
                    self._grown.set()
                    if len(self._text) >= MAX_STREAM_CHARACTERS:
                        log.warning("a streamed reply was stopped after %d characters", len(self._text))
                        self.stopped = True
                        break
        finally:
            self.drafts.pop(self.name, None)
            sending.cancel()
            await asyncio.wait([sending])

    async def _send_drafts(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                    await self._grown.wait()
            self._grown.clear()
            if text := self.text:
                await self._send_draft(text)
            await asyncio.sleep(max(MIN_PAUSE_SECONDS, len(self.drafts) / MAX_DRAFTS_PER_SECOND))

    async def end(self) -> None:
        """Notify the readers that the draft has ended. Errors are ignored."""
        await self._send_draft("")

    async def _send_draft(self, text: str) -> None:
        self._seq += 1
        start = len(text) - _fitting_length(text[::-1], MAX_TEXT_BYTES)
        data: dict[str, Any] = {"draft": self.name, "seq": self._seq, "text": text[start:], "to": self.reply_to}
        if start:
            data["from"] = start
        with suppress(CometChatException):  # a lost draft does no harm: the message is sent anyway
            await self.chat.send_transient_message(TransientMessage(self.receiver, self.receiver_type, data))


def join_surrogates(text: str) -> str:
    """Return the text with each surrogate pair joined to one character. Half a pair at its end is removed."""
    if text and "\ud800" <= text[-1] <= "\udbff":
        text = text[:-1]
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def json_size(text: str) -> int:
    """Return the number of bytes that a text takes in JSON, without the quotation marks."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) - 2


def _fitting_length(text: str, longest: int) -> int:
    # The number of leading characters that fit into `longest` bytes.
    end = min(len(text), longest)
    while json_size(text[:end]) > longest:
        end -= max(1, end // 8)
    return end


def split(text: str, longest: int = MAX_TEXT_BYTES) -> Iterator[str]:
    """Yield the parts of a text, each short enough for a message.

    They end at the end of a paragraph, line, sentence or word if possible. Whitespace at the cuts is removed.

    Args:
        longest: the maximum size of a part in JSON, in bytes.
    """
    while json_size(text) > longest:
        end = _fitting_length(text, longest)
        for mark in ("\n\n", "\n", ". ", " "):
            if (at := text.rfind(mark, end // 2, end)) > 0:
                end = at + len(mark)
                break
        if part := text[:end].rstrip():
            yield part
        text = text[end:].lstrip("\n ")
    if text.strip():
        yield text
