"""The typed events of `ChatClient.events()`, one for each thing that a listener can hear."""

from __future__ import annotations

from dataclasses import dataclass, field

from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.continuity.state import Continuity
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.outbox import OutboxEntry
from tailwire.wire.constants import ReceiverTypeName
from tailwire.wire.entities import (
    Action,
    Attachment,
    BaseMessage,
    Conversation,
    MessageReceipt,
    ReactionEvent,
    TransientMessage,
    TypingIndicator,
    User,
)


@dataclass(frozen=True, slots=True)
class ConnectionChanged:
    """The status changed.

    Attributes:
        status: the status since.
        continuity: with `connected`: how the time without a connection joins. It is known, and the event comes,
            when what was missed has been read; listeners hear `on_connected` at once.
    """

    status: ConnectionStatus
    continuity: Continuity | None = None


@dataclass(frozen=True, slots=True)
class ConnectionFailed:
    """An attempt failed."""

    error: CometChatException


@dataclass(slots=True, unsafe_hash=True)
class MessageReceived:
    """A message came: a `TextMessage`, `MediaMessage`, `CustomMessage`, or a `BaseMessage` of another category."""

    message: BaseMessage


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """A message was changed; `message` is how it reads now."""

    message: BaseMessage
    action: Action


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    """A message was deleted."""

    message: BaseMessage
    action: Action


@dataclass(frozen=True, slots=True)
class GroupChanged:
    """The membership of a group changed; `action.action` says how."""

    action: Action


@dataclass(frozen=True, slots=True)
class ReceiptReceived:
    """Somebody received, or read, a conversation up to a message."""

    receipt: MessageReceipt


@dataclass(frozen=True, slots=True)
class TypingChanged:
    """Somebody began, or stopped, typing."""

    indicator: TypingIndicator


@dataclass(frozen=True, slots=True)
class PresenceChanged:
    """A user came online or went offline; `user.status` says which."""

    user: User


@dataclass(frozen=True, slots=True)
class TransientReceived:
    """A message came that is not kept."""

    message: TransientMessage


@dataclass(frozen=True, slots=True)
class DraftChanged:
    """A message that somebody is writing has grown, or will grow no more (Tailwire's own).

    Show it below the messages, and take it away when it has ended: the message comes right behind. `chat.stop_draft`
    asks its writer to stop.

    Attributes:
        id: of the draft; the message that it becomes has it as `metadata["draft"]`.
        sender: who writes.
        receiver_id: uid or guid that they write to.
        receiver_type: `user` or `group`.
        text: the whole text so far.
        start: how many characters before `text` are left out, because the text is long.
        reply_to: the id of the message that it answers, or 0.
        ended: its message comes, or its writer has gone, or nothing was heard for 15 seconds.
    """

    id: str
    sender: User
    receiver_id: str
    receiver_type: ReceiverTypeName
    text: str
    start: int = 0
    reply_to: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class ReactionChanged:
    """Somebody reacted to a message (`added`), or took it back."""

    event: ReactionEvent
    added: bool


@dataclass(frozen=True, slots=True)
class MessagePinned:
    """A message was pinned in its conversation, or unpinned."""

    message: BaseMessage
    pinned: bool


@dataclass(frozen=True, slots=True)
class MessageSaved:
    """The user saved a message on one of their devices, or saved it no longer."""

    message: BaseMessage
    saved: bool


@dataclass(frozen=True, slots=True)
class ConversationPinned:
    """The user pinned a conversation on another of their devices, or unpinned it."""

    conversation: Conversation
    pinned: bool


@dataclass(frozen=True, slots=True)
class HistoryGap:
    """More was missed than is handed over: messages after `from_id` and up to `to_id` are only in history."""

    from_id: int
    to_id: int


@dataclass(frozen=True, slots=True)
class OutboxChanged:
    """A queued message was queued, sent, refused, cancelled or queued again."""

    entry: OutboxEntry


Event = (
    ConnectionChanged
    | ConnectionFailed
    | MessageReceived
    | MessageEdited
    | MessageDeleted
    | GroupChanged
    | ReceiptReceived
    | TypingChanged
    | PresenceChanged
    | TransientReceived
    | DraftChanged
    | ReactionChanged
    | MessagePinned
    | MessageSaved
    | ConversationPinned
    | HistoryGap
    | OutboxChanged
)


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What became of files that were uploaded together, by their ids.

    Attributes:
        rejected: what will not succeed as it is.
        failed: what may succeed when it is tried again.
    """

    batch_id: str
    successful: dict[str, Attachment] = field(default_factory=dict)
    rejected: dict[str, CometChatException] = field(default_factory=dict)
    failed: dict[str, CometChatException] = field(default_factory=dict)
