"""What chat is about: users, groups, messages, receipts, typing. Plain data; times are whole seconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tailwire.wire.constants import Category, MessageType, ReceiverType


@dataclass(slots=True)
class User:
    """A user (documented class `User`). `status` is `online` or `offline`; `last_active_at` says when last seen."""

    uid: str
    name: str = ""
    avatar: str | None = None
    link: str | None = None
    role: str = "default"
    status: str = "offline"
    status_message: str | None = None
    last_active_at: int = 0
    metadata: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    created_at: int = 0
    updated_at: int = 0


@dataclass(slots=True)
class Group:
    """A group (documented class `Group`). `scope`, `has_joined` and `joined_at` are the logged-in user's.

    Attributes:
        password: needed to make, and to join, a group of type `password`; never comes back from the server.
    """

    guid: str
    name: str = ""
    type: str = "public"
    password: str | None = None
    icon: str | None = None
    description: str | None = None
    owner: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    members_count: int = 0
    has_joined: bool = False
    scope: str | None = None
    joined_at: int = 0
    created_at: int = 0
    updated_at: int = 0


@dataclass(slots=True)
class Attachment:
    """A file of a media message, by URL. `size` is in bytes."""

    url: str
    name: str = ""
    extension: str = ""
    mime_type: str = ""
    size: int = 0


@dataclass(slots=True, kw_only=True)
class BaseMessage:
    """What every message has (documented class `BaseMessage`). Times that are not set are 0.

    Attributes:
        receiver: uid or guid.
        receiver_type: `user` or `group`.
        id: rises with time within the app; 0 until sent.
        muid: the client's own id: one message is stored per sender and muid, however often it is sent.
        sender: None until sent.
        raw: the message as the server sent it.
    """

    receiver: str
    receiver_type: str = ReceiverType.USER
    category: str = Category.MESSAGE
    type: str = ""
    id: int = 0
    muid: str = ""
    conversation_id: str = ""
    sender: User | None = None
    parent_message_id: int = 0
    sent_at: int = 0
    updated_at: int = 0
    delivered_at: int = 0
    read_at: int = 0
    edited_at: int = 0
    edited_by: str = ""
    deleted_at: int = 0
    deleted_by: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def receiver_entity(self) -> User | Group | None:
        """The user or group behind `receiver`, as the server sent it. Read when it is asked for."""
        return self.read_receiver(self.raw)

    @staticmethod
    def read_receiver(raw: Mapping[str, Any]) -> User | Group | None:
        """How `raw` is read. The codec puts its own reader here; without it no message has come from a server."""
        return None


@dataclass(slots=True, kw_only=True)
class TextMessage(BaseMessage):
    """A text (documented class `TextMessage`)."""

    text: str = ""
    type: str = MessageType.TEXT


@dataclass(slots=True, kw_only=True)
class MediaMessage(BaseMessage):
    """An image, video, audio or file, by URL (documented class `MediaMessage`)."""

    attachments: list[Attachment] = field(default_factory=list)
    caption: str = ""
    type: str = MessageType.FILE

    @property
    def attachment(self) -> Attachment | None:
        """The first attachment."""
        return self.attachments[0] if self.attachments else None


@dataclass(slots=True, kw_only=True)
class CustomMessage(BaseMessage):
    """A message with data of the app's own (documented class `CustomMessage`)."""

    custom_data: dict[str, Any] = field(default_factory=dict)
    category: str = Category.CUSTOM
    type: str = MessageType.CUSTOM


@dataclass(slots=True, kw_only=True)
class Action(BaseMessage):
    """Something that happened to a message or in a group (documented class `Action`).

    Attributes:
        action: `joined`, `left`, `edited`, `deleted` …
        action_by: who did it.
        action_on: the user or message that it was done to, if any.
        action_for: the user or group in whose conversation it happened.
    """

    action: str = ""
    action_by: User | None = None
    action_on: User | BaseMessage | None = None
    action_for: User | Group | None = None
    category: str = Category.ACTION


@dataclass(slots=True)
class MessageReceipt:
    """Somebody received or read all messages of a conversation up to `message_id` (documented `MessageReceipt`)."""

    message_id: int
    sender: User
    receiver_id: str
    receiver_type: str
    receipt_type: str
    timestamp: int = 0


@dataclass(slots=True)
class TypingIndicator:
    """Somebody began, or stopped, typing (documented class `TypingIndicator`)."""

    sender: User
    receiver_id: str
    receiver_type: str
    typing_status: str
    metadata: dict[str, Any] = field(default_factory=dict)
