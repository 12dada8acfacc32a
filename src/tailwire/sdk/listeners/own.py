"""Internal events for changes that the app itself made on this device.

They are passed to live lists only: the listeners and event streams of the app do not receive them.
"""

from __future__ import annotations

from dataclasses import dataclass

from tailwire.wire.entities import BaseMessage, Conversation, Group


@dataclass(frozen=True, slots=True)
class MessageStored:
    """The server stored a message of this device, or an action message for a change that it made."""

    message: BaseMessage


@dataclass(frozen=True, slots=True)
class Reacted:
    """The user reacted to a message, or removed the reaction."""

    message_id: int
    reaction: str
    added: bool


@dataclass(frozen=True, slots=True)
class Marked:
    """This device has marked a conversation as received or read, up to a message. The server may not know it yet.

    Attributes:
        kind: `user` or `group`.
        other: the uid of the other user, or the guid of the group.
        message_id: the id of the last message that was received or read.
        at: seconds since 1970, by this device's clock.
        read: whether it was read, not only received.
    """

    kind: str
    other: str
    message_id: int
    at: int
    read: bool


@dataclass(frozen=True, slots=True)
class ConversationUpdated:
    """The user changed a conversation, and the server returned its new state.

    Attributes:
        conversation: the new state.
        unread: whether the user marked messages of it as unread.
    """

    conversation: Conversation
    unread: bool = False


@dataclass(frozen=True, slots=True)
class ConversationOutdated:
    """The user changed a conversation, and the server did not return its new state, so that it has to be requested.

    Attributes:
        kind: `user` or `group`.
        other: the uid of the other user, or the guid of the group.
    """

    kind: str
    other: str


@dataclass(frozen=True, slots=True)
class ConversationRemoved:
    """The user deleted a conversation, or a whole group.

    Attributes:
        kind: `user` or `group`.
        other: the uid of the other user, or the guid of the group.
    """

    kind: str
    other: str


@dataclass(frozen=True, slots=True)
class GroupUpdated:
    """The user changed a group, and the server returned its new state."""

    group: Group


@dataclass(frozen=True, slots=True)
class RelationsChanged:
    """The user blocked or unblocked other users."""
