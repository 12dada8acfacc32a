"""An answer that grows: drafts while it is being written. The message that it becomes is sent by `Context.stream`."""

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

MAX_TEXT = 8000
"""Bytes of JSON of one message's text; a server takes 10 KB of data as it comes."""
MAX_STREAM = 100_000
"""Characters of a stream; one that goes on is stopped there."""
SHORTEST_PAUSE = 0.25
"""Seconds between two drafts of a stream."""
FRAMES = 40
"""Drafts a second of all streams of a bot; a server closes a socket that sends more than 100 frames."""
STILL_THERE = 8.0
"""Seconds after which a draft that has not grown is sent again; readers take it for ended after 15."""


class Draft:
    """One answer while it is written.

    Args:
        receiver, receiver_type: who reads it.
        asker: who may stop it.
        reply_to: the id of the message that it answers.
        others: the drafts that are written now, by id; it is one of them while it is written.
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
        self.stopped = False
        self._chat = chat
        self._to: tuple[str, ReceiverTypeName] = (receiver, receiver_type)
        self._asker = asker
        self._reply_to = reply_to
        self._others = others
        self._parts: list[str] = []
        self._grown = asyncio.Event()
        self._seq = int(time.time() * 1000)  # rises over a restart, too
        self._task: asyncio.Task[Any] | None = None

    @property
    def text(self) -> str:
        """The whole text so far, without half a character at its end."""
        return joined("".join(self._parts))

    def stop(self, by: str) -> None:
        """Stop the handler that writes, if it is the asker who wants it."""
        if by == self._asker and self._task is not None and not self.stopped:
            self.stopped = True
            self._task.cancel()

    async def write(self, parts: AsyncIterable[str]) -> None:
        """Take all parts, and show what there is.

        Raises:
            CancelledError: it was stopped.
            TypeError: a part is no text.
        """
        self._task, self._others[self.name] = asyncio.current_task(), self
        showing = asyncio.create_task(self._show(), name="tailwire bot draft")
        closing = getattr(parts, "aclose", None)
        length = 0
        try:
            async with aclosing(parts) if closing is not None else nullcontext():  # type: ignore[type-var]
                async for part in parts:
                    if not isinstance(part, str):
                        raise TypeError(f"the stream gave a {type(part).__name__}: give parts of the text, as str")
                    self._parts.append(part[: MAX_STREAM - length])
                    length += len(self._parts[-1])
                    self._grown.set()
                    if length >= MAX_STREAM:
                        log.warning("an answer was stopped after %d characters", length)
                        self.stopped = True
                        break
        finally:
            self._others.pop(self.name, None)
            showing.cancel()
            await asyncio.wait([showing])

    async def _show(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(STILL_THERE):
                    await self._grown.wait()
            self._grown.clear()
            if text := self.text:
                await self._tell(text)
            await asyncio.sleep(max(SHORTEST_PAUSE, len(self._others) / FRAMES))

    async def _tell(self, text: str) -> None:
        self._seq += 1
        data: dict[str, Any] = {"draft": self.name, "seq": self._seq, "text": _tail(text), "to": self._reply_to}
        if len(data["text"]) < len(text):
            data["from"] = len(text) - len(data["text"])
        with suppress(CometChatException):  # nobody misses a draft: the message comes in any case
            await self._chat.send_transient_message(TransientMessage(*self._to, data))

    async def end(self) -> None:
        """Tell the readers that it grows no more, whatever became of it."""
        await self._tell("")


def joined(text: str) -> str:
    """Return a text in which halves of a character (surrogates) are joined; one at its end is left out."""
    if text and "\ud800" <= text[-1] <= "\udbff":
        text = text[:-1]
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def size(text: str) -> int:
    """Return how many bytes a text takes in JSON."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) - 2


def _tail(text: str) -> str:
    tail = text[-MAX_TEXT:]
    while size(tail) > MAX_TEXT:
        tail = tail[max(1, len(tail) // 8) :]
    return tail


def split(text: str, longest: int = MAX_TEXT) -> Iterator[str]:
    """Yield a text in parts that a message can carry, cut where a paragraph, a line, a sentence or a word ends."""
    while size(text) > longest:
        end = min(len(text), longest)
        while size(text[:end]) > longest:
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
