"""The entities of chat: messages, receipts, conversations, and those of `people`. Times are seconds since 1970."""

from __future__ import annotations

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
from tailwire.wire.identifiers import stored_id
from tailwire.wire.people import Group as Group
from tailwire.wire.people import GroupMember as GroupMember
from tailwire.wire.people import User as User
from tailwire.wire.set_fields import SetFieldsRepr


@dataclass(slots=True, repr=False)
class Attachment(SetFieldsRepr):
    """A file of a media message, by URL. `size` is in bytes, `width` and `height` of an image are in pixels.

    Attributes:
        url: the URL of the file.
    """

    url: str
    name: str = ""
    extension: str = ""
    mime_type: str = ""
    size: int = 0
    width: int = 0
    height: int = 0
    thumbnail: str = ""


@dataclass(slots=True, repr=False, kw_only=True)
class BaseMessage(SetFieldsRepr):
    """The fields of every message (CometChat's class `BaseMessage`).

    The server sets `id`, `sent_at` and `sender`: until a message is sent they are 0, 0 and `User("")`. Times are in
    seconds since 1970; the time of something that has not happened is 0. Subclasses have these fields too.

    Attributes:
        receiver: a uid or guid.
        receiver_type: `user` or `group`.
        id: the id that the server assigns; within an app, a later message has a higher id.
        muid: the client's own id. The server stores a message once per sender and muid, however often it is sent.
        quoted_message_id: the id of the message that this one quotes, or 0.
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
        """The user or group that received the message, as the server sent it; None if it is missing or unreadable."""
        from tailwire.wire.codec import receiver_of  # the codec imports this module

        return receiver_of(self.raw)

    # Fields that few messages have are decoded on access: decoding is most of the cost of handing over a message.

    @property
    def reply_count(self) -> int:
        """The number of replies in the thread of the message."""
        return int(self.raw.get("replyCount") or 0)

    @property
    def pinned_at(self) -> int:
        """When the message was pinned in its conversation, in seconds since 1970; 0 if it is not pinned."""
        return int(self.raw.get("pinnedAt") or 0)

    @property
    def pinned_by(self) -> str:
        """The uid of the user who pinned the message; `app_system` for the app, "" if it is not pinned."""
        return str(self.raw.get("pinnedBy") or "")

    @property
    def saved_at(self) -> int:
        """When the logged-in user saved the message, in seconds since 1970; 0 if they have not."""
        return int(self.raw.get("savedAt") or 0)

    @property
    def thread_subscribed(self) -> bool:
        """Whether the logged-in user follows the thread of the message; False if the request did not ask for that."""
        return bool(self.raw.get("threadSubscribed"))

    @property
    def moderation_status(self) -> str:
        """The result of moderation, a `ModerationStatus`; `unmoderated` if the server sent none."""
        return str(((self.raw.get("data") or {}).get("moderation") or {}).get("status") or ModerationStatus.UNMODERATED)

    @property
    def reactions(self) -> list[ReactionCount]:
        """The reactions to the message, each with its count."""
        listed = (self.raw.get("data") or {}).get("reactions") or []
        return [ReactionCount(r["reaction"], int(r.get("count") or 0), bool(r.get("reactedByMe"))) for r in listed]

    @property
    def mentioned_users(self) -> list[User]:
        """The users whom the text mentions, with `uid` and `name` only."""
        mentions = (self.raw.get("data") or {}).get("mentions") or {}
        return [User(uid, (user or {}).get("name", "")) for uid, user in mentions.items()]

    def mentions(self, uid: str) -> bool:
        """Return whether the text mentions the user `uid` (CometChat's `hasMentionedMe`)."""
        return stored_id(uid) in ((self.raw.get("data") or {}).get("mentions") or {})

    @property
    def quoted_message(self) -> BaseMessage | None:
        """The quoted message, as it was when the server sent this one; None if there is none, or it is unreadable."""
        from tailwire.wire.codec import quoted_of  # the codec imports this module

        return quoted_of(self.raw)


@dataclass(slots=True, repr=False, kw_only=True)
class TextMessage(BaseMessage):
    """A text message (CometChat's class `TextMessage`).

    Attributes:
        text: the text.
    """

    text: str = ""
    type: str = MessageType.TEXT


@dataclass(slots=True, repr=False, kw_only=True)
class MediaMessage(BaseMessage):
    """An image, video, audio or file (CometChat's class `MediaMessage`).

    Attributes:
        attachments: uploaded files, by URL.
        caption: a text that is shown with the files.
        files: paths or `UploadFile`s, which are uploaded when the message is sent, and become attachments.
    """

    attachments: list[Attachment] = field(default_factory=list)
    files: list[Any] = field(default_factory=list, compare=False)
    caption: str = ""
    type: str = MessageType.FILE

    @property
    def attachment(self) -> Attachment | None:
        """The first attachment, or None."""
        return self.attachments[0] if self.attachments else None


@dataclass(slots=True, repr=False, kw_only=True)
class CustomMessage(BaseMessage):
    """A message with data that the app defines (CometChat's class `CustomMessage`).

    Attributes:
        custom_data: the data, any JSON object.
        sub_type: a type that the app defines.
        conversation_text: the text that a list of conversations shows for the message.
        update_conversation: whether it becomes the last message of its conversation.
        send_notification: whether the server sends push notifications for it.
    """

    custom_data: dict[str, Any] = field(default_factory=dict)
    sub_type: str = ""
    conversation_text: str = ""
    update_conversation: bool = True
    send_notification: bool = True
    category: str = Category.CUSTOM
    type: str = MessageType.CUSTOM


@dataclass(slots=True, repr=False, kw_only=True)
class InteractiveMessage(BaseMessage):
    """A form, card or scheduler with elements to interact with (CometChat's class `InteractiveMessage`).

    Attributes:
        interactive_data: the elements, a JSON object whose form depends on `type`.
        interaction_goal: which interactions complete the message, a JSON object; {} for none.
        allow_sender_interaction: whether the sender of the message may use its elements too.
    """

    interactive_data: dict[str, Any] = field(default_factory=dict)
    interaction_goal: dict[str, Any] = field(default_factory=dict)
    allow_sender_interaction: bool = False
    category: str = Category.INTERACTIVE
    type: str = "form"

    @property
    def interactions(self) -> dict[str, int]:
        """The ids of the elements that the logged-in user has used, each with its time in seconds since 1970."""
        listed = (self.raw.get("data") or {}).get("interactions") or []
        return {str(i["elementId"]): int(i.get("interactedAt") or 0) for i in listed}


@dataclass(slots=True, repr=False, kw_only=True)
class Action(BaseMessage):
    """A message that reports a change to a message or a group (CometChat's class `Action`).

    Attributes:
        action: the change, one of the values of `ActionType`.
        action_by: the user who made the change.
        action_on: the user or message that was changed, if any.
        action_for: the user or group in whose conversation it happened.
    """

    action: str = ""
    action_by: User | None = None
    action_on: User | BaseMessage | None = None
    action_for: User | Group | None = None
    category: str = Category.ACTION


@dataclass(slots=True, repr=False)
class MessageReceipt(SetFieldsRepr):
    """A user received or read all messages of a conversation up to `message_id` (CometChat's class `MessageReceipt`).

    Attributes:
        message_id: the id of the newest message that they received or read.
        sender: who received or read it; with `deliveredToAll` or `readByAll` the last member, or `User("")` if unknown.
        receiver_id: in an event, the author's uid or the guid; from `get_message_receipts`, the message's receiver.
        receiver_type: `user` or `group`.
        receipt_type: `delivered` or `read`; for all members of a group `deliveredToAll` or `readByAll`.
        timestamp, delivered_at, read_at: times in seconds since 1970; 0 for what has not happened or is not reported.
    """

    message_id: int
    sender: User
    receiver_id: str
    receiver_type: ReceiverTypeName
    receipt_type: str
    timestamp: int = 0
    delivered_at: int = 0
    read_at: int = 0


@dataclass(slots=True, repr=False)
class TypingIndicator(SetFieldsRepr):
    """A user started or stopped typing (CometChat's class `TypingIndicator`).

    Attributes:
        sender: the user who is typing.
        receiver_id, receiver_type: to whom they write: a uid and `user`, or a guid and `group`.
        typing_status: `started` or `ended`.
        metadata: what the sender passed to `start_typing` or `end_typing`.
    """

    sender: User
    receiver_id: str
    receiver_type: ReceiverTypeName
    typing_status: TypingStatus
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, repr=False)
class TransientMessage(SetFieldsRepr):
    """A message that is not stored: only connected users receive it (CometChat's class `TransientMessage`).

    Attributes:
        receiver_id, receiver_type: a uid and `user`, or a guid and `group`.
        data: any JSON object.
        sender: the sender; its uid is "" in a message to send.
    """

    receiver_id: str
    receiver_type: ReceiverTypeName
    data: dict[str, Any] = field(default_factory=dict)
    sender: User = field(default_factory=lambda: User(""))


@dataclass(slots=True, repr=False)
class ReactionCount(SetFieldsRepr):
    """The number of identical reactions to a message (CometChat's class `ReactionCount`).

    Attributes:
        reaction: an emoji or a short word.
        count: the number of users who reacted with it.
        reacted_by_me: whether the logged-in user is one of them.
    """

    reaction: str
    count: int
    reacted_by_me: bool = False


@dataclass(slots=True, repr=False)
class Reaction(SetFieldsRepr):
    """One user's reaction to a message (CometChat's class `Reaction`).

    Attributes:
        id: the id of the reaction.
        message_id: the id of the message.
        reaction: an emoji or a short word.
        uid: the uid of the user who reacted.
        reacted_at: when they reacted, in seconds since 1970.
        reacted_by: the user, if the server sends more than their uid; else None.
    """

    id: int
    message_id: int
    reaction: str
    uid: str
    reacted_at: int = 0
    reacted_by: User | None = None


@dataclass(slots=True, repr=False)
class ReactionEvent(SetFieldsRepr):
    """A reaction was added or removed (CometChat's class `ReactionEvent`).

    Attributes:
        reaction: the reaction, with the id of the message and the user.
        receiver_id, receiver_type: the receiver of the event: a uid and `user`, or a guid and `group`.
        conversation_id: the conversation of the message.
        parent_message_id: the thread of the message, or 0.
    """

    reaction: Reaction
    receiver_id: str
    receiver_type: ReceiverTypeName
    conversation_id: str
    parent_message_id: int = 0


@dataclass(slots=True, repr=False)
class Conversation(SetFieldsRepr):
    """A conversation as the logged-in user sees it (CometChat's class `Conversation`).

    Attributes:
        conversation_id, conversation_type: its id, and `user` or `group`.
        conversation_with: the other user, or the group.
        last_message: the message that a list shows; None if the conversation is empty, or the user deleted it.
        unread_message_count: the number of unread messages, at most 1,000.
        tags: the tags that the user set.
        pinned_at, created_at, updated_at: times in seconds since 1970; `pinned_at` is 0 if it is not pinned.
        latest_message_id: the id of the newest message, even of one that `last_message` does not show, such as a reply.
    """

    conversation_id: str
    conversation_type: ReceiverTypeName
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


@dataclass(slots=True, repr=False)
class FlagReason(SetFieldsRepr):
    """A reason for reporting a message (CometChat's class `FlagReason`).

    Attributes:
        id: the id of the reason, for `FlagDetail.reason_id`.
        name, description: texts for people.
    """

    id: str
    name: str
    description: str = ""


@dataclass(slots=True, repr=False)
class FlagDetail(SetFieldsRepr):
    """A report of a message (CometChat's class `FlagDetail`).

    Attributes:
        reason_id: the `id` of a `FlagReason`.
        remark: an explanation, at most 1,000 characters.
    """

    reason_id: str
    remark: str = ""
