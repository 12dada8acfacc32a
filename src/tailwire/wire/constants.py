"""The documented constants, as string enums whose values are the documented strings."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal


class ReceiverType(StrEnum):
    """To whom a message goes."""

    USER = "user"
    GROUP = "group"


ReceiverTypeName = ReceiverType | Literal["user", "group"]
"""A receiver type, or its name: a type checker finds another word."""
TypingStatus = Literal["started", "ended"]
"""What a typing indicator says."""

ConversationType = ReceiverType
"""With whom a conversation is: the documented constants have two names."""


class Category(StrEnum):
    """What kind of thing a message is."""

    MESSAGE = "message"
    CUSTOM = "custom"
    ACTION = "action"
    INTERACTIVE = "interactive"
    CALL = "call"


class MessageType(StrEnum):
    """The type of a message of category `message`; custom messages name their own."""

    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    FILE = "file"
    CUSTOM = "custom"


class InteractiveType(StrEnum):
    """The type of an interactive message."""

    FORM = "form"
    CARD = "card"
    SCHEDULER = "scheduler"
    CUSTOM_INTERACTIVE = "customInteractive"


class ModerationStatus(StrEnum):
    """What moderation said of a message; Tailwire's server has none."""

    PENDING = "pending"
    APPROVED = "approved"
    DISAPPROVED = "disapproved"
    UNMODERATED = "unmoderated"


class ReactionAction(StrEnum):
    """What became of a reaction, for `CometChatHelper.update_message_with_reaction_info`."""

    REACTION_ADDED = "REACTION_ADDED"
    REACTION_REMOVED = "REACTION_REMOVED"


class GroupType(StrEnum):
    """Who may join a group."""

    PUBLIC = "public"
    PRIVATE = "private"
    PASSWORD = "password"


class MemberScope(StrEnum):
    """What a member of a group may do."""

    ADMIN = "admin"
    MODERATOR = "moderator"
    PARTICIPANT = "participant"


class UserStatus(StrEnum):
    """Presence of a user, as the SDK names it (the wire says `available` for online)."""

    ONLINE = "online"
    OFFLINE = "offline"
    AWAY = "away"
    """Every app of the user is in the background; of Tailwire's own, and only in presence events."""


class ReceiptType(StrEnum):
    """What a receipt says of a message."""

    DELIVERED = "delivered"
    READ = "read"
    DELIVERED_TO_ALL = "deliveredToAll"
    READ_BY_ALL = "readByAll"


class ActionType(StrEnum):
    """What an action message says has happened."""

    JOINED = "joined"
    LEFT = "left"
    KICKED = "kicked"
    BANNED = "banned"
    UNBANNED = "unbanned"
    ADDED = "added"
    SCOPE_CHANGED = "scopeChanged"
    EDITED = "edited"
    DELETED = "deleted"


class PresenceSubscription(StrEnum):
    """Whose presence a client hears of (S24)."""

    NONE = "none"
    ALL_USERS = "allUsers"
    ROLES = "roles"
    FRIENDS = "friends"
