"""What this device did itself. Its listeners do not hear of that; those who keep lists have to."""

from __future__ import annotations

from dataclasses import dataclass

from tailwire.wire.entities import BaseMessage, Conversation, Group


@dataclass(frozen=True, slots=True)
class MessageStored:
    """A message was stored: one that was sent, or that tells of an edit, a deletion, or a group's members."""

    message: BaseMessage


@dataclass(frozen=True, slots=True)
class Reacted:
    """The user reacted to a message, or took it back."""

    message_id: int
    reaction: str
    added: bool


@dataclass(frozen=True, slots=True)
class Marked:
    """The user has received, or read, a conversation up to a message; the server may hear of it later.

    Attributes:
        other: the uid or guid.
        at: seconds since 1970, as this device has it.
    """

    kind: str
    other: str
    message_id: int
    at: int
    read: bool


@dataclass(frozen=True, slots=True)
class ConversationSaid:
    """The server said how a conversation is, after the user changed something about it."""

    conversation: Conversation


@dataclass(frozen=True, slots=True)
class ConversationTouched:
    """The user changed something about a conversation, and the server did not say how it is now."""

    kind: str
    other: str


@dataclass(frozen=True, slots=True)
class ConversationGone:
    """A conversation was deleted for the user, or a group for everybody."""

    kind: str
    other: str


@dataclass(frozen=True, slots=True)
class GroupSaid:
    """The server said how a group is, after the user changed it."""

    group: Group


@dataclass(frozen=True, slots=True)
class RelationsChanged:
    """The user has blocked or unblocked somebody."""
