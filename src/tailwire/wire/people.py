"""Users, members and groups; `entities` exports them too. Times are whole seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tailwire.wire.set_fields import SetFieldsRepr


@dataclass(slots=True, repr=False)
class User(SetFieldsRepr):
    """A user (CometChat's class `User`).

    Attributes:
        uid: the id of the user in the app.
        status: `online` or `offline`; in presence events also `away`.
        last_active_at, created_at, updated_at: times in seconds since 1970; 0 if they are not known.
        blocked_by_me: whether the logged-in user has blocked this user.
        has_blocked_me: whether this user has blocked the logged-in user.
        conversation_id: the id of the conversation with them, if the server sends it.
    """

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


@dataclass(slots=True, repr=False)
class GroupMember(User):
    """A member of a group (CometChat's class `GroupMember`); to add one, `uid` and `scope` suffice.

    Attributes:
        scope: `admin`, `moderator` or `participant`.
        joined_at: when they joined, in seconds since 1970.
    """

    scope: str = "participant"
    joined_at: int = 0


@dataclass(slots=True, repr=False)
class Group(SetFieldsRepr):
    """A group (CometChat's class `Group`). `scope`, `has_joined` and `joined_at` are the logged-in user's.

    Attributes:
        guid: the id of the group in the app.
        type: `public`, `private` or `password`.
        owner: the uid of its owner.
        joined_at, created_at, updated_at: times in seconds since 1970; 0 if they are not known.
        password: needed to create and to join a group of type `password`; the server never returns it.
    """

    guid: str
    name: str = ""
    type: str = "public"
    password: str | None = field(default=None, repr=False)
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
