"""What crosses the store's interface: rows without SQL. `json` fields hold encoded JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user."""

    uid: str
    name: str
    avatar: str | None = None
    link: str | None = None
    role: str = "default"
    status_message: str | None = None
    metadata: str | None = None
    tags: str | None = None
    last_active_at: int = 0
    created_at: int = 0
    updated_at: int = 0


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group."""

    guid: str
    name: str
    type: str
    password_hash: str | None = None
    icon: str | None = None
    description: str | None = None
    owner: str | None = None
    metadata: str | None = None
    tags: str | None = None
    members_count: int = 0
    created_at: int = 0
    updated_at: int = 0


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A membership."""

    guid: str
    uid: str
    scope: str
    joined_at: int
    joined_after_id: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be stored.

    Attributes:
        body: the message as REST gives it, but for the id at its head and what changes later (`MessageRow.json`).
        muid: the client's own id, or None.
    """

    conversation_id: str
    sender: str
    receiver: str
    receiver_type: str
    category: str
    type: str
    body: bytes
    sent_at: int
    muid: str | None = None
    parent_id: int | None = None


class MessageRow(NamedTuple):
    """A stored message (a tuple: thirty of them are made for every page of history)."""

    id: int
    conversation_id: str
    sender: str
    receiver: str
    receiver_type: str
    category: str
    type: str
    sent_at: int
    updated_at: int
    delivered_at: int | None
    read_at: int | None
    edited_at: int | None
    edited_by: str | None
    deleted_at: int | None
    deleted_by: str | None
    body: bytes

    def json(self) -> bytes:
        """The message as REST gives it."""
        parts = [b'{"id":"%d",' % self.id, self.body[1:-1]]
        parts.append(b',"updatedAt":%d' % self.updated_at)
        if self.delivered_at:
            parts.append(b',"deliveredAt":%d' % self.delivered_at)
        if self.read_at:
            parts.append(b',"readAt":%d' % self.read_at)
        if self.edited_at:
            parts.append(b',"editedAt":%d,"editedBy":"%s"' % (self.edited_at, (self.edited_by or "").encode()))
        if self.deleted_at:
            parts.append(b',"deletedAt":%d,"deletedBy":"%s"' % (self.deleted_at, (self.deleted_by or "").encode()))
        parts.append(b"}")
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Stored:
    """The outcome of storing a draft: the message, and whether it is new (or its muid was known)."""

    message: MessageRow
    new: bool


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages a reader wants.

    Attributes:
        reader: only what this user may see.
        conversation_id: one conversation, or None for all of the reader's.
        newer: messages after the cursor, oldest first; else before it, newest first.
        after_id: the cursor: an id, or None.
        updated_after: only what changed at or after this time.
        hide_deleted: leave deleted messages out.
    """

    reader: str
    conversation_id: str | None = None
    newer: bool = False
    cursor: int | None = None
    sent_cursor: int | None = None
    updated_after: int | None = None
    only_updates: bool = False
    categories: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    parent_id: int | None = None
    hide_replies: bool = False
    hide_deleted: bool = False
    limit: int = 30

    def shape(self) -> tuple[Any, ...]:
        """What of it decides the form of the query, not its values."""
        return (
            self.conversation_id is None,
            self.newer,
            self.cursor is None,
            self.sent_cursor is None,
            self.updated_after is None,
            self.only_updates,
            len(self.categories),
            len(self.types),
            self.parent_id is None,
            self.hide_replies,
            self.hide_deleted,
        )
