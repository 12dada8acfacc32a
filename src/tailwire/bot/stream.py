"""A streamed reply: drafts that are sent while it is written. `Context.stream` sends the final message."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterable, Iterator
from contextlib import aclosing, nullcontext, suppress
from typing import Any

from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import CometChatException
from tailwire.wire.constants import ReceiverTypeName
from tailwire.wire.entities import TransientMessage

log = logging.getLogger("tailwire.bot")

MAX_TEXT_BYTES = 8000
"""Size of one message's text in JSON. The server's limit for the whole data of a message is 10 KB by default."""
MAX_STREAM_CHARACTERS = 100_000
MIN_PAUSE_SECONDS = 0.25
"""The minimum time between two drafts of a reply."""
MAX_DRAFTS_PER_SECOND = 40
"""For all replies of a bot. The server closes a socket that sends more than 100 frames a second."""
KEEP_ALIVE_SECONDS = 8.0
"""After this time, an unchanged draft is sent again. Readers consider it ended after 15 seconds."""


class Draft:
    """A reply that is being written.

    Args:
        chat: the bot's client.
        receiver: uid or guid of the reader.
        receiver_type: `user` or `group`.
        asker: uid of the user who may stop it.
        reply_to: id of the message that it answers.
        name: its id.
        others: the drafts that are being written, by id; this one is added while it is written.
    """

    def __init__(
        self,
        chat: ChatClient,
        receiver: str,
        receiver_type: ReceiverTypeName,
        asker: str,
        reply_to: int,
        name: str,
        others: dict[str, Draft],
    ) -> None:
        self.name = name
        self.stopped: bool = False
        self._chat = chat
        self._to: tuple[str, ReceiverTypeName] = (receiver, receiver_type)
        self._asker = asker
        self._reply_to = reply_to
        self._others = others
        self._parts: list[str] = []
        self._grown = asyncio.Event()
        self._seq = int(time.time() * 1000)  # also increases across restarts
        self._task: asyncio.Task[Any] | None = None

    @property
    def text(self) -> str:
        """The text so far, without half a surrogate pair at its end."""
        return join_surrogates("".join(self._parts))

    def stop(self, by: str) -> None:
        """Cancel the handler that writes this, if the request comes from the asker."""
        if by == self._asker and self._task is not None and not self.stopped:
            self.stopped = True
            self._task.cancel()

    async def write(self, parts: AsyncIterable[str]) -> None:
        """Read all parts, and send drafts meanwhile.

        Raises:
            CancelledError: it was stopped.
            TypeError: a part is not a string.
        """
        self._task, self._others[self.name] = asyncio.current_task(), self
        showing = asyncio.create_task(self._show(), name="tailwire bot draft")
        closing = getattr(parts, "aclose", None)
        length = 0
        try:
            async with aclosing(parts) if closing is not None else nullcontext():  # type: ignore[type-var]
                async for part in parts:
                    if not isinstance(part, str):
                        raise TypeError(f"the stream yielded a {type(part).__name__}: yield parts of the text, as str")
                    self._parts.append(part[: MAX_STREAM_CHARACTERS - length])
                    length += len(self._parts[-1])
                    self._grown.set()
                    if length >= MAX_STREAM_CHARACTERS:
                        log.warning("a streamed reply was stopped after %d characters", length)
                        self.stopped = True
                        break
        finally:
            self._others.pop(self.name, None)
            showing.cancel()
            await asyncio.wait([showing])

    async def _show(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                    await self._grown.wait()
            self._grown.clear()
            if text := self.text:
                await self._send(text)
            await asyncio.sleep(max(MIN_PAUSE_SECONDS, len(self._others) / MAX_DRAFTS_PER_SECOND))

    async def _send(self, text: str) -> None:
        self._seq += 1
        data: dict[str, Any] = {"draft": self.name, "seq": self._seq, "text": _tail_of(text), "to": self._reply_to}
        if len(data["text"]) < len(text):
            data["from"] = len(text) - len(data["text"])
        with suppress(CometChatException):  # a lost draft does no harm: the message is sent anyway
            await self._chat.send_transient_message(TransientMessage(*self._to, data))

    async def end(self) -> None:
        """Tell the readers that the draft has ended."""
        await self._send("")


def join_surrogates(text: str) -> str:
    """Return the text with surrogate pairs joined; half a pair at its end is removed."""
    if text and "\ud800" <= text[-1] <= "\udbff":
        text = text[:-1]
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def json_size(text: str) -> int:
    """Return the number of bytes that a text takes in JSON."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) - 2


def _tail_of(text: str) -> str:
    tail = text[-MAX_TEXT_BYTES:]
    while json_size(tail) > MAX_TEXT_BYTES:
        tail = tail[max(1, len(tail) // 8) :]
    return tail


def split(text: str, longest: int = MAX_TEXT_BYTES) -> Iterator[str]:
    """Yield parts that fit into one message each, cut at the end of a paragraph, line, sentence or word."""
    while json_size(text) > longest:
        end = min(len(text), longest)
        while json_size(text[:end]) > longest:
            end -= max(1, end // 8)
        for mark in ("\n\n", "\n", ". ", " "):
            if (at := text.rfind(mark, end // 2, end)) > 0:
                end = at + len(mark)
                break
        if part := text[:end].rstrip():
            yield part
        text = text[end:].lstrip("\n ")
    if text.strip():
        yield text
