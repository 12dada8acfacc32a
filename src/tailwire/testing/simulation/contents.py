"""What a message contains besides its text: tags, mentioned users and files."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from tailwire.wire.entities import BaseMessage, MediaMessage

_MENTION = re.compile(r"<@uid:(\w+)>")


class Content(NamedTuple):
    """What a message contains besides its text.

    Attributes:
        tags: its tags, in order.
        mentioned: the uids of the users whom it mentions.
        files: for each file: the name under which the server stores it, the file's own name, and its size in bytes.
    """

    tags: tuple[str, ...] = ()
    mentioned: frozenset[str] = frozenset()
    files: tuple[tuple[str, str, int], ...] = ()


NO_CONTENT = Content()


def text_of(message: Any) -> str:
    """Return the text of a message, or the caption of its files; "" if it has neither."""
    return str(getattr(message, "text", "") or getattr(message, "caption", "") or "")


def mentioned_in(text: str) -> frozenset[str]:
    """Return the uids that a text mentions, whether such users exist or not."""
    return frozenset(_MENTION.findall(text))


def content_of(message: BaseMessage) -> Content:
    """Return what a message contains besides its text."""
    attachments = message.attachments if isinstance(message, MediaMessage) else []
    files = tuple((stored_name(one.url), one.name, one.size) for one in attachments)
    return Content(tuple(message.tags), frozenset(user.uid for user in message.mentioned_users), files)


def stored_name(url: str) -> str:
    """Return the name under which the server stores a file, given the file's URL."""
    return url.rpartition("/")[2]
