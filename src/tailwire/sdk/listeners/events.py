"""The typed events of `ChatClient.events()`.

Each has its callback in `interfaces`, except `ConversationPinned` and `ConversationListChanged`, for which
CometChat's listeners have none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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
    Group,
    MessageReceipt,
    ReactionEvent,
    TransientMessage,
    TypingIndicator,
    User,
)


@dataclass(frozen=True, slots=True)
class ConnectionChanged:
    """The connection status changed.

    Attributes:
        status: the new status.
        continuity: with `connected`, what became of the messages that were missed. The event arrives once these have
            been read; listeners get `on_connected` at once. None with any other status, and when an open connection is
            no longer throttled.
    """

    status: ConnectionStatus
    continuity: Continuity | None = None


@dataclass(frozen=True, slots=True)
class ConnectionFailed:
    """An attempt to connect failed, or the client gave up after the maximum number of attempts.

    Attributes:
        error: the exception; its `code` says why.
    """

    error: CometChatException


@dataclass(slots=True, unsafe_hash=True)
class MessageReceived:
    """A message arrived: a `TextMessage`, `MediaMessage`, `CustomMessage`, `InteractiveMessage` or `BaseMessage`.

    Attributes:
        message: the message.
    """

    message: BaseMessage


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """A message was edited; `message` is its new version.

    Attributes:
        message: the message with its new content.
        action: the change; its `action_by` is the user who edited it.
    """

    message: BaseMessage
    action: Action


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    """A message was deleted.

    Attributes:
        message: the message without its content, with `deleted_at` and `deleted_by`.
        action: the change; its `action_by` is the user who deleted it.
    """

    message: BaseMessage
    action: Action


@dataclass(frozen=True, slots=True)
class GroupChanged:
    """The membership of a group changed; `action.action` says how.

    Attributes:
        action: the change: `action_by` made it, `action_on` is the member, `action_for` the group.
    """

    action: Action


@dataclass(frozen=True, slots=True)
class ReceiptReceived:
    """A user, or all members of a group, received or read a conversation up to a message.

    Attributes:
        receipt: who did so (`sender`, with an empty uid for all members of a group), up to which message, and when.
    """

    receipt: MessageReceipt


@dataclass(frozen=True, slots=True)
class TypingChanged:
    """A user started or stopped typing.

    Attributes:
        indicator: who is typing, to whom, and whether they started or stopped.
    """

    indicator: TypingIndicator


@dataclass(frozen=True, slots=True)
class PresenceChanged:
    """A user came online, went offline, or is `away`; `user.status` says which.

    Attributes:
        user: the user with their new status.
    """

    user: User


@dataclass(frozen=True, slots=True)
class TransientReceived:
    """A transient message arrived; it is not stored.

    Attributes:
        message: its data, sender and receiver.
    """

    message: TransientMessage


@dataclass(frozen=True, slots=True)
class DraftChanged:
    """A message that is being written has grown, or has ended (Tailwire's own).

    Show it below the messages, and remove it when it has ended: if it was finished, the message follows directly.
    `chat.stop_draft` asks its sender to stop.

    Attributes:
        id: the id of the draft; the finished message has it as `metadata["draft"]`.
        sender: the user who is writing it.
        receiver_id: uid or guid of the receiver.
        receiver_type: `user` or `group`.
        text: the text so far, or the end of a long one.
        start: number of characters before `text` that are left out.
        reply_to: id of the message to which it replies, or 0.
        ended: whether the draft has ended: the message is finished or was given up, the sender went offline, or no
            update arrived for 15 seconds.
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
    """A user reacted to a message (`added`), or removed the reaction.

    Attributes:
        event: the reaction, and the conversation of the message.
        added: False if the reaction was removed.
    """

    event: ReactionEvent
    added: bool


@dataclass(frozen=True, slots=True)
class MessagePinned:
    """A message was pinned in its conversation, or unpinned.

    Attributes:
        message: the message.
        pinned: False if it was unpinned.
    """

    message: BaseMessage
    pinned: bool


@dataclass(frozen=True, slots=True)
class MessageSaved:
    """The user saved a message on one of their devices, or removed it from the saved ones.

    Attributes:
        message: the message.
        saved: False if it was removed.
    """

    message: BaseMessage
    saved: bool


@dataclass(frozen=True, slots=True)
class ConversationPinned:
    """The user pinned a conversation on another of their devices, or unpinned it.

    Attributes:
        conversation: the conversation.
        pinned: False if it was unpinned.
    """

    conversation: Conversation
    pinned: bool


ListChange = Literal["changed", "removed", "group", "groupRemoved", "blocks"]


@dataclass(frozen=True, slots=True)
class ConversationListChanged:
    """The user's list of conversations changed in a way that no other event reports. Live lists follow it.

    Attributes:
        change: `group`: another user changed the group, or it has another owner; `groupRemoved`: another user deleted
            it. `changed`: another device of the user marked the conversation as unread, or tagged it; `removed`: such
            a device deleted the conversation for the user, or the app's backend removed it for all; `blocks`: such a
            device blocked or unblocked users.
        conversation_type: `user` or `group`; "" for `blocks`.
        conversation_with: the uid or guid; "" for `blocks`.
        group: the new state of the group without the user's membership, for `group`; otherwise None.
    """

    change: ListChange
    conversation_type: str
    conversation_with: str
    group: Group | None = None


@dataclass(frozen=True, slots=True)
class HistoryGap:
    """Some missed messages with ids in (`from_id`, `to_id`] are not handed over.

    They are only in history, because there are more than the limit; or the server has removed them as too old.

    Attributes:
        from_id: the id of the last message before the gap.
        to_id: the id of the last message in the gap.
        only_changes: the messages are handed over, but not all changes of that time to messages (reactions, pins,
            receipts) and conversations: the server's change log does not reach back so far.
    """

    from_id: int
    to_id: int
    only_changes: bool = False


@dataclass(frozen=True, slots=True)
class OutboxChanged:
    """A message in the outbox was queued, sent, refused, cancelled or queued again.

    Attributes:
        entry: the message, its state, and the error of the last attempt.
    """

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
    | ConversationListChanged
    | HistoryGap
    | OutboxChanged
)


@dataclass(frozen=True, slots=True)
class UploadResult:
    """The results of one upload request, by file id.

    Attributes:
        batch_id: the id of the upload request.
        successful: the attachments to send in a `MediaMessage`.
        rejected: files that were refused; a retry fails too.
        failed: files whose upload may be retried.
    """

    batch_id: str
    successful: dict[str, Attachment] = field(default_factory=dict)
    rejected: dict[str, CometChatException] = field(default_factory=dict)
    failed: dict[str, CometChatException] = field(default_factory=dict)
