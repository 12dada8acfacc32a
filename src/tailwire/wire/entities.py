"""What chat is about: users, groups, messages, receipts, typing. Plain data; times are whole seconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tailwire.wire.constants import (
    Category,
    MessageType,
    ModerationStatus,
    ReceiverType,
    ReceiverTypeName,
    TypingStatus,
)


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
    blocked_by_me: bool = False
    has_blocked_me: bool = False
    conversation_id: str = ""


@dataclass(slots=True)
class GroupMember(User):
    """A member of a group (documented class `GroupMember`); to add one, `uid` and `scope` suffice."""

    scope: str = "participant"
    joined_at: int = 0


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
    is_banned_from_group: bool = False
    conversation_id: str = ""


@dataclass(slots=True)
class Attachment:
    """A file of a media message, by URL. `size` is in bytes; images have `width`, `height` and a `thumbnail`."""

    url: str
    name: str = ""
    extension: str = ""
    mime_type: str = ""
    size: int = 0
    width: int = 0
    height: int = 0
    thumbnail: str = ""


@dataclass(slots=True, kw_only=True)
class BaseMessage:
    """What every message has (documented class `BaseMessage`). Times that are not set are 0.

    Attributes:
        receiver: uid or guid.
        receiver_type: `user` or `group`.
        id: rises with time within the app; 0 until sent.
        muid: the client's own id: one message is stored per sender and muid, however often it is sent.
        sender: who sent it; its uid is "" until sent.
        quoted_message_id: of the message that this one quotes, or 0.
        raw: the message as the server sent it.
    """

    receiver: str
    receiver_type: ReceiverTypeName = ReceiverType.USER
    category: str = Category.MESSAGE
    type: str = ""
    id: int = 0
    muid: str = ""
    conversation_id: str = ""
    sender: User = field(default_factory=lambda: User(""))
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
    quoted_message_id: int = 0
    raw: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def receiver_entity(self) -> User | Group | None:
        """The user or group behind `receiver`, as the server sent it. Read when it is asked for."""
        return self.read_receiver(self.raw)

    # What not every message has is read when it is asked for: decoding is most of what it costs to hand one over.

    @property
    def reply_count(self) -> int:
        """How many replies its thread has."""
        return int(self.raw.get("replyCount") or 0)

    @property
    def pinned_at(self) -> int:
        """When it was pinned in its conversation; 0 when it is not."""
        return int(self.raw.get("pinnedAt") or 0)

    @property
    def pinned_by(self) -> str:
        """The uid of who pinned it; `app_system` for the app."""
        return str(self.raw.get("pinnedBy") or "")

    @property
    def saved_at(self) -> int:
        """When the user saved it for themselves; 0 when they have not."""
        return int(self.raw.get("savedAt") or 0)

    @property
    def thread_subscribed(self) -> bool:
        """Whether the user follows its thread, where that was asked for."""
        return bool(self.raw.get("threadSubscribed"))

    @property
    def moderation_status(self) -> str:
        """What moderation said of it; `unmoderated` where there is none."""
        moderation = (self.raw.get("data") or {}).get("moderation") or {}
        return str(moderation.get("status") or ModerationStatus.UNMODERATED)

    @property
    def reactions(self) -> list[ReactionCount]:
        """What it was reacted with."""
        listed = (self.raw.get("data") or {}).get("reactions") or []
        return [ReactionCount(r["reaction"], int(r.get("count") or 0), bool(r.get("reactedByMe"))) for r in listed]

    @property
    def mentioned_users(self) -> list[User]:
        """Whom its text mentions."""
        mentions = (self.raw.get("data") or {}).get("mentions") or {}
        return [User(uid, (user or {}).get("name", "")) for uid, user in mentions.items()]

    def mentions(self, uid: str) -> bool:
        """Whether its text mentions a user (documented `hasMentionedMe`)."""
        return uid in ((self.raw.get("data") or {}).get("mentions") or {})

    @property
    def quoted_message(self) -> BaseMessage | None:
        """The message that it quotes, as that read when this one was asked for."""
        return self.read_quoted(self.raw)

    @staticmethod
    def read_quoted(raw: Mapping[str, Any]) -> BaseMessage | None:
        """As `read_receiver`: the codec puts its own reader here."""
        return None

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
    """An image, video, audio or file (documented class `MediaMessage`).

    Attributes:
        attachments: by URL.
        files: to be uploaded when it is sent: paths, or `UploadFile`s. They become attachments.
    """

    attachments: list[Attachment] = field(default_factory=list)
    files: list[Any] = field(default_factory=list, compare=False)
    caption: str = ""
    type: str = MessageType.FILE

    @property
    def attachment(self) -> Attachment | None:
        """The first attachment."""
        return self.attachments[0] if self.attachments else None


@dataclass(slots=True, kw_only=True)
class CustomMessage(BaseMessage):
    """A message with data of the app's own (documented class `CustomMessage`).

    Attributes:
        sub_type: of the app's own.
        conversation_text: what a list of conversations shows for it.
        update_conversation: whether it becomes the last message of its conversation.
        send_notification: whether receivers' devices are to be woken; kept for those who do so.
    """

    custom_data: dict[str, Any] = field(default_factory=dict)
    sub_type: str = ""
    conversation_text: str = ""
    update_conversation: bool = True
    send_notification: bool = True
    category: str = Category.CUSTOM
    type: str = MessageType.CUSTOM


@dataclass(slots=True, kw_only=True)
class InteractiveMessage(BaseMessage):
    """A form, card or the like, whose elements are used (documented class `InteractiveMessage`).

    Attributes:
        interactive_data: what it shows.
        interaction_goal: when its purpose is reached.
        allow_sender_interaction: whether its sender may use it too.
    """

    interactive_data: dict[str, Any] = field(default_factory=dict)
    interaction_goal: dict[str, Any] = field(default_factory=dict)
    allow_sender_interaction: bool = False
    category: str = Category.INTERACTIVE
    type: str = "form"

    @property
    def interactions(self) -> dict[str, int]:
        """The elements that the user has used, and when."""
        listed = (self.raw.get("data") or {}).get("interactions") or []
        return {str(i["elementId"]): int(i.get("interactedAt") or 0) for i in listed}


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
    receiver_type: ReceiverTypeName
    receipt_type: str
    timestamp: int = 0
    delivered_at: int = 0
    read_at: int = 0


@dataclass(slots=True)
class TypingIndicator:
    """Somebody began, or stopped, typing (documented class `TypingIndicator`)."""

    sender: User
    receiver_id: str
    receiver_type: ReceiverTypeName
    typing_status: TypingStatus
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class TransientMessage:
    """A message that is not kept: it reaches those who listen now (documented class `TransientMessage`).

    Attributes:
        sender: who sent it; its uid is "" until it came from somebody.
    """

    receiver_id: str
    receiver_type: ReceiverTypeName
    data: dict[str, Any] = field(default_factory=dict)
    sender: User = field(default_factory=lambda: User(""))


@dataclass(slots=True)
class ReactionCount:
    """How often a message was reacted with something (documented class `ReactionCount`)."""

    reaction: str
    count: int
    reacted_by_me: bool = False


@dataclass(slots=True)
class Reaction:
    """One user's reaction to a message (documented class `Reaction`)."""

    id: int
    message_id: int
    reaction: str
    uid: str
    reacted_at: int = 0
    reacted_by: User | None = None


@dataclass(slots=True)
class ReactionEvent:
    """Somebody reacted, or took it back (documented class `ReactionEvent`)."""

    reaction: Reaction
    receiver_id: str
    receiver_type: ReceiverTypeName
    conversation_id: str
    parent_message_id: int = 0


@dataclass(slots=True)
class Conversation:
    """A conversation, as the user sees it (documented class `Conversation`).

    Attributes:
        conversation_with: the other user, or the group.
        last_message: None when there is none, or it was deleted.
        unread_message_count: counted up to 1,000.
        tags: the user's own.
        latest_message_id: of whatever came last, also where it is not shown as `last_message`: an edit, a reply.
    """

    conversation_id: str
    conversation_type: str
    conversation_with: User | Group
    last_message: BaseMessage | None = None
    unread_message_count: int = 0
    unread_mentions_count: int = 0
    last_read_message_id: int = 0
    tags: list[str] = field(default_factory=list)
    pinned_at: int = 0
    created_at: int = 0
    updated_at: int = 0
    latest_message_id: int = 0


@dataclass(slots=True)
class FlagReason:
    """Why a message can be reported (documented class `FlagReason`)."""

    id: str
    name: str
    description: str = ""


@dataclass(slots=True)
class FlagDetail:
    """A report of a message (documented class `FlagDetail`)."""

    reason_id: str
    remark: str = ""
