"""The typed events of `ChatClient.events()`.

For each of them there is also a callback in `interfaces`, except for `ConversationPinned` and
`ConversationListChanged`, which CometChat's listener classes do not have.
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

    After a reconnect, the event with the status `connected` arrives only once the client knows which messages were
    missed. A listener's `on_connected` is called before that, as soon as the socket is open.

    Attributes:
        status: the new status.
        continuity: with `connected`, whether all missed messages arrive as events, or some are left out. None with any
            other status, and when the server has turned all features of an open connection on again.
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
    """A message arrived.

    Attributes:
        message: a `TextMessage`, `MediaMessage`, `CustomMessage` or `InteractiveMessage`; a `BaseMessage` if the client
            does not know its category.
    """

    message: BaseMessage


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """A message was edited.

    Attributes:
        message: the message with its new content.
        action: the action message that reports the edit; its `action_by` is the user who edited the message.
    """

    message: BaseMessage
    action: Action


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    """A message was deleted.

    Attributes:
        message: the message without its content, with `deleted_at` and `deleted_by`.
        action: the action message that reports the deletion; its `action_by` is the user who deleted the message.
    """

    message: BaseMessage
    action: Action


@dataclass(frozen=True, slots=True)
class GroupChanged:
    """The membership of a group changed; `action.action` says how.

    Attributes:
        action: the action message that reports the change: `action_by` is the user who made it, `action_on` the member,
            `action_for` the group.
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
    """A draft, the text of a message while it is being written, has grown or ended. CometChat has no such event.

    Show the draft below the messages, and remove it when it has ended: if the message was finished, it follows
    directly. `chat.stop_draft` asks the sender of the draft to stop.

    Attributes:
        id: the id of the draft; the finished message has it as `metadata["draft"]`.
        sender: the user who is writing it.
        receiver_id: uid or guid of the receiver.
        receiver_type: `user` or `group`.
        text: the text so far; only its end if the text is long.
        start: the number of characters of the text so far that precede `text`; 0 if nothing is left out.
        reply_to: the id of the message to which it replies; 0 if it is not a reply.
        ended: whether the draft has ended, because the message is finished or was given up, the sender went offline, or
            no update arrived for 15 seconds.
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
    """The user's list of conversations changed in a way that no other event reports. Live lists apply this event.

    The values of `change` are:

    - `changed`: another device of the user marked the conversation as unread, or changed its tags.
    - `removed`: another device of the user deleted the conversation for the user, or the app's backend deleted it for
      everyone.
    - `group`: another user changed the group, or it has a new owner.
    - `groupRemoved`: another user deleted the group.
    - `blocks`: another device of the user blocked or unblocked users.

    Attributes:
        change: what happened.
        conversation_type: `user` or `group`; "" for `blocks`.
        conversation_with: the uid or guid of the conversation; "" for `blocks`.
        group: for `group`, the changed group, without the fields that describe the user's own membership; else None.
    """

    change: ListChange
    conversation_type: str
    conversation_with: str
    group: Group | None = None


@dataclass(frozen=True, slots=True)
class HistoryGap:
    """Some messages that were missed without a connection do not arrive as events.

    Their ids are above `from_id`, and at most `to_id`. Either more messages were missed than the limit
    (`AppSettings.catch_up_limit`): then the app can still read them from history, for example with `chat.messages()`.
    Or the server has deleted them because of their age.

    Attributes:
        from_id: the id of the last message before the gap.
        to_id: the id of the last message in the gap.
        only_changes: True if all these messages arrive, but some changes of that time do not: changes of messages
            (reactions, pins, receipts) or of conversations, which the server no longer has on record.
    """

    from_id: int
    to_id: int
    only_changes: bool = False


@dataclass(frozen=True, slots=True)
class OutboxChanged:
    """A message in the outbox of this device was queued, sent, refused by the server, cancelled, or queued again.

    Attributes:
        entry: the message, its new state, and the error of the last attempt to send it.
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
        successful: by file id, the attachments to send in a `MediaMessage`.
        rejected: by file id, why a file was refused; another attempt with it would fail, too.
        failed: by file id, why an upload failed; it may be retried.
    """

    batch_id: str
    successful: dict[str, Attachment] = field(default_factory=dict)
    rejected: dict[str, CometChatException] = field(default_factory=dict)
    failed: dict[str, CometChatException] = field(default_factory=dict)
