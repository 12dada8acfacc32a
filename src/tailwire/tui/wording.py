"""The words for messages, places, sizes and errors. Every text that it returns is safe for a terminal."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tailwire.sdk.exceptions import CometChatException
from tailwire.tui.safe_text import safe, safe_line
from tailwire.wire.constants import ReceiverTypeName
from tailwire.wire.entities import (
    Action,
    BaseMessage,
    Conversation,
    CustomMessage,
    Group,
    InteractiveMessage,
    MediaMessage,
    TextMessage,
    User,
)

DELETED_TEXT = "message deleted"
KIBIBYTE = 1024
_SIZE_UNITS = ("bytes", "KB", "MB", "GB", "TB")
_ADVICE = {
    "ERR_NOT_A_MEMBER": "Join the group first, or ask its owner to add you.",
    "ERR_PERMISSION_DENIED": "Ask an admin of the group.",
    "AUTH_ERR_AUTH_TOKEN_NOT_FOUND": "Paste a valid token: `tailwire token create UID` makes one.",
    "NO_INTERNET_CONNECTION": "Check the address and that the server runs; `tailwire doctor URL` tests each step.",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation with a user or a group, or the thread of a message in it.

    Attributes:
        kind: `user` or `group`.
        id: the uid or the guid.
        name: the name of the user or group; "" if it is not known.
        parent: the id of the message that the thread replies to; 0 for the conversation itself.
    """

    kind: ReceiverTypeName
    id: str
    name: str = ""
    parent: int = 0

    @property
    def key(self) -> str:
        """The identity of the conversation; the same for the conversation and all its threads."""
        return f"{self.kind}:{self.id}"

    @property
    def title(self) -> str:
        """The name of the user or group to show, or its id; those of groups begin with `#`."""
        return ("#" if self.kind == "group" else "") + safe_line(self.name or self.id)


def place_of(entity: User | Group) -> Place:
    """Return the conversation with a user or a group as a place."""
    if isinstance(entity, Group):
        return Place("group", entity.guid, entity.name)
    return Place("user", entity.uid, entity.name)


def place_of_conversation(conversation: Conversation) -> Place:
    """Return a conversation as a place."""
    return place_of(conversation.conversation_with)


def name_of(user: User) -> str:
    """Return the name of a user to show, or their uid if they have none."""
    return safe_line(user.name or user.uid)


def size_text(count: int) -> str:
    """Return a number of bytes as people read it: `3.4 MB`. A KB has 1024 bytes."""
    size, unit = float(count), 0
    while size >= KIBIBYTE and unit < len(_SIZE_UNITS) - 1:
        size, unit = size / KIBIBYTE, unit + 1
    return f"{size:.0f} {_SIZE_UNITS[unit]}" if unit == 0 or size >= 100 else f"{size:.1f} {_SIZE_UNITS[unit]}"


def body_of(message: BaseMessage) -> str:
    """Return the text or caption of a message with its line breaks; "" if it has none.

    Of a deleted message, an action or any other message, a few words are returned. Attachments are not part of it.
    """
    if message.deleted_at:
        return DELETED_TEXT
    if isinstance(message, TextMessage):
        return safe(message.text)
    if isinstance(message, MediaMessage):
        return safe(message.caption)
    if isinstance(message, Action):
        return _action(message)
    if isinstance(message, CustomMessage):
        return safe(message.conversation_text or f"custom message: {message.sub_type or message.type}")
    if isinstance(message, InteractiveMessage):
        return f"interactive message: {safe_line(message.type)}"
    return f"{safe_line(message.category)} {safe_line(message.type)}"


def _action(message: Action) -> str:
    by = name_of(message.action_by) if message.action_by else "the app"
    on = f" {name_of(message.action_on)}" if isinstance(message.action_on, User) else ""
    on = "" if message.action_by and isinstance(message.action_on, User) and _acted_on_themself(message) else on
    return f"{by} {safe_line(message.action)}{on}"


def _acted_on_themself(message: Action) -> bool:
    on = message.action_on
    return isinstance(on, User) and message.action_by is not None and on.uid == message.action_by.uid


def files_of(message: BaseMessage) -> list[str]:
    """Return a line for each file of a message: its name, and its size if that is known."""
    if not isinstance(message, MediaMessage) or message.deleted_at:
        return []
    lines = []
    for file in message.attachments:
        size = f"  {size_text(file.size)}" if file.size else ""
        lines.append(f"{safe_line(file.name or file.url)}{size}")
    return lines


def preview_of(message: BaseMessage | None) -> str:
    """Return one line about a message: its text or its first file; "" for None."""
    if message is None:
        return ""
    files = files_of(message)
    return safe_line(body_of(message)) or ("▤ " + files[0] if files else "")


def error_text(error: BaseException) -> str:
    """Return one line about an error: what went wrong, and if it is known, what to do next."""
    if isinstance(error, CometChatException):
        advice = _ADVICE.get(error.code, "")
        details = error.details if isinstance(error.details, str) else ""
        if not advice and isinstance(error.details, dict):
            details = ", ".join(f"{name}: {value}" for name, value in error.details.items())
        return safe_line(f"{error.message} {advice or details}".strip())
    if isinstance(error, OSError) and error.strerror:
        return safe_line(f"{error.filename or 'The file'}: {error.strerror}.")
    return safe_line(str(error) or type(error).__name__)


def time_text(at: int) -> str:
    """Return the local time of day (`23:59`) of a time in seconds since 1970."""
    return time.strftime("%H:%M", time.localtime(at))


def date_text(at: int) -> str:
    """Return the local date (`Monday, 30 November 2026`) of a time in seconds since 1970."""
    return time.strftime("%A, %d %B %Y", time.localtime(at))
