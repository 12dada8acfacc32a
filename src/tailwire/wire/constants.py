"""CometChat's constants, as string enums."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal


class ReceiverType(StrEnum):
    """The kind of a receiver."""

    USER = "user"
    GROUP = "group"


ReceiverTypeName = ReceiverType | Literal["user", "group"]
"""A receiver type or its name, so that a type checker rejects other strings."""
TypingStatus = Literal["started", "ended"]
"""The state of a typing indicator."""

ConversationType = ReceiverType
"""The kind of a conversation. CometChat's documentation has two names for the same constants."""


class Category(StrEnum):
    """The category of a message."""

    MESSAGE = "message"
    CUSTOM = "custom"
    ACTION = "action"
    INTERACTIVE = "interactive"
    CALL = "call"


class MessageType(StrEnum):
    """The types of messages of category `message`; and `custom`, the usual type of custom messages.

    A custom message may have any other type, which the app defines.
    """

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
    """The result of moderation. Tailwire's server does not moderate: its messages are `unmoderated`."""

    PENDING = "pending"
    APPROVED = "approved"
    DISAPPROVED = "disapproved"
    UNMODERATED = "unmoderated"


class ReactionAction(StrEnum):
    """The change of a reaction, for `CometChatHelper.update_message_with_reaction_info`."""

    REACTION_ADDED = "REACTION_ADDED"
    REACTION_REMOVED = "REACTION_REMOVED"


class GroupType(StrEnum):
    """The kind of a group, which determines who may join."""

    PUBLIC = "public"
    PRIVATE = "private"
    PASSWORD = "password"


class MemberScope(StrEnum):
    """The scope of a member, which determines what they may do."""

    ADMIN = "admin"
    MODERATOR = "moderator"
    PARTICIPANT = "participant"


class UserStatus(StrEnum):
    """The presence of a user. In the protocol, `online` is sent as `available`."""

    ONLINE = "online"
    OFFLINE = "offline"
    AWAY = "away"
    """All apps of the user are in the background. An addition of Tailwire, in presence events only."""


class ReceiptType(StrEnum):
    """The kind of a receipt."""

    DELIVERED = "delivered"
    READ = "read"
    DELIVERED_TO_ALL = "deliveredToAll"
    READ_BY_ALL = "readByAll"


class ActionType(StrEnum):
    """The change that an action message announces."""

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
    """The users whose presence events a client receives."""

    NONE = "none"
    ALL_USERS = "allUsers"
    ROLES = "roles"
    FRIENDS = "friends"
