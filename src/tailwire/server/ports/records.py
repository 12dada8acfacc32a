"""Rows that cross the store's interface.

`metadata`, `tags` and `settings` are encoded JSON; times are seconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag, StrEnum
from typing import Literal, NamedTuple

from tailwire.server.ports.conversations import ConversationKey
from tailwire.wire.bounds import UNCHECKED_BYTES, parseable

Scope = Literal["admin", "moderator", "participant"]
"""The scope of a member of a group."""


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user. `deactivated_at` is None while they may log in."""

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
    deactivated_at: int | None = None


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group. `owner` is the uid of its owner."""

    guid: str
    name: str
    type: str
    password_hash: str | None = field(default=None, repr=False)
    icon: str | None = None
    description: str | None = None
    owner: str | None = None
    metadata: str | None = None
    tags: str | None = None
    members_count: int = 0
    created_at: int = 0
    updated_at: int = 0
    updated_by: str | None = None


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A membership. `joined_after_id` is the last message id when it began."""

    guid: str
    uid: str
    scope: Scope
    joined_at: int
    joined_after_id: int


@dataclass(frozen=True, slots=True)
class BanRow:
    """A ban of a user from a group, with the scope that they had."""

    guid: str
    uid: str
    scope: Scope
    banned_at: int
    banned_by: str


class Trait(IntFlag):
    """Properties of a message, as bits of its row."""

    LINK = 1
    MENTION = 2
    ATTACHMENT = 4
    REACTION = 8
    SEARCHABLE = 16
    INTERACTED = 32


@dataclass(frozen=True, slots=True)
class Event:
    """An event for webhooks, queued in the transaction of the change that it reports.

    Attributes:
        data: the encoded `data` of the webhook's envelope; None for `{"message": …}` with the stored message.
    """

    trigger: str
    data: bytes | None = None


class Draft(NamedTuple):
    """A message to be stored (a tuple, because one is made for each send).

    Attributes:
        body: the message as REST returns it, without its id and what changes later (see `MessageRow.json`).
        muid: the client's own id, or None.
        shown: whether a list of conversations shows it as the last message.
        files: names of the uploaded files that it refers to.
    """

    conversation_id: ConversationKey
    sender: str
    receiver: str
    receiver_type: str
    category: str
    type: str
    body: bytes
    sent_at: int
    muid: str | None = None
    parent_id: int | None = None
    quoted_id: int | None = None
    traits: int = 0
    mentions: tuple[str, ...] = ()
    shown: bool = True
    events: tuple[Event, ...] = ()
    files: tuple[str, ...] = ()


class Edited(NamedTuple):
    """The new content of an edited message.

    Attributes:
        body: as `Draft.body`.
        traits: bits of `Trait`, without those that other users cause.
        mentions: the uids that it mentions now; None if unchanged.
        files: names of the uploaded files that it refers to now; None if unchanged.
    """

    body: bytes
    traits: int
    mentions: tuple[str, ...] | None = None
    files: tuple[str, ...] | None = None


class MessageRow(NamedTuple):
    """A stored message. A tuple, because thirty are created for every page of history."""

    id: int
    conversation_id: ConversationKey
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
    parent_id: int | None = None
    reply_count: int = 0
    pinned_at: int | None = None
    pinned_by: str | None = None
    quoted_id: int | None = None
    traits: int = 0

    def json(self) -> bytes:
        """Return the message in REST form; `actions.rendering` adds reactions and reader-dependent fields."""
        return _as_json(self)


class ListedRow(NamedTuple):
    """A message in a list, without the columns that its body repeats: reading them would add a tenth to a page."""

    id: int
    sent_at: int
    updated_at: int
    delivered_at: int | None
    read_at: int | None
    edited_at: int | None
    edited_by: str | None
    deleted_at: int | None
    deleted_by: str | None
    body: bytes
    reply_count: int
    pinned_at: int | None
    pinned_by: str | None
    quoted_id: int | None
    traits: int

    def json(self) -> bytes:
        """Return the message as `MessageRow.json` does."""
        # Most messages have no more than these parts. A tuple is unpacked faster than its fields are read.
        number, _, updated_at, delivered, read, edited, _, deleted, _, body, replies, pinned, _, _, _ = self
        if delivered or read or edited or deleted or replies or pinned or len(body) >= UNCHECKED_BYTES:
            return _as_json(self)
        return b'{"id":"%d",%b,"updatedAt":%d}' % (number, body[1:-1], updated_at)


def _as_json(row: MessageRow | ListedRow) -> bytes:
    parts = [b'{"id":"%d",' % row.id, parseable(row.body)[1:-1]]
    parts.append(b',"updatedAt":%d' % row.updated_at)
    if row.delivered_at:
        parts.append(b',"deliveredAt":%d' % row.delivered_at)
    if row.read_at:
        parts.append(b',"readAt":%d' % row.read_at)
    if row.edited_at:
        parts.append(b',"editedAt":%d,"editedBy":"%s"' % (row.edited_at, (row.edited_by or "").encode()))
    if row.deleted_at:
        parts.append(b',"deletedAt":%d,"deletedBy":"%s"' % (row.deleted_at, (row.deleted_by or "").encode()))
    if row.reply_count:
        parts.append(b',"replyCount":%d' % row.reply_count)
    if row.pinned_at:
        parts.append(b',"pinnedAt":%d,"pinnedBy":"%s"' % (row.pinned_at, (row.pinned_by or "").encode()))
    parts.append(b"}")
    return b"".join(parts)


class Stored(NamedTuple):
    """The result of storing a draft.

    Attributes:
        new: whether it was stored now; False if its muid was known.
        predecessor_id: the id of the previous message of the conversation; 0 for the first.
        ended: if it announces that a user joined, the id with which their last membership ended; 0 if none is known.
        by_all: if it announces that a member left, what all have received or read without them (`ReadStateChange`).
    """

    message: MessageRow
    new: bool
    predecessor_id: int = 0
    ended: int = 0
    by_all: tuple[tuple[str, int, bool, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ReactionRow:
    """One user's reaction to a message.

    Attributes:
        number: the number in the change log, if the reaction was added or removed now; else 0.
        message: the message as it is afterwards, if the store has read it in the transaction; else None.
    """

    id: int
    message_id: int
    reaction: str
    uid: str
    reacted_at: int
    number: int = 0
    message: MessageRow | None = None


class ReportRow(NamedTuple):
    """A user's report of a message.

    Attributes:
        at: when they last reported it, in seconds since 1970.
    """

    message_id: int
    uid: str
    reason_id: str
    remark: str | None
    at: int


@dataclass(frozen=True, slots=True)
class ReadStateRow:
    """A user's side of a conversation.

    Attributes:
        cleared_id: the last message that they have deleted for themselves.
        tags: encoded JSON.
        pinned_at: when they pinned it, or None.
    """

    conversation_id: ConversationKey
    uid: str
    delivered_id: int = 0
    read_id: int = 0
    cleared_id: int = 0
    tags: str | None = None
    pinned_at: int | None = None


@dataclass(frozen=True, slots=True)
class ReadStateChange:
    """The consequences of a change of a read state.

    Attributes:
        by_all: in groups: sender, message id, whether all other members have now read (else received) it, and its
            number in the change log.
        number: the number of the receipt in the change log; 0 if nobody is notified of it.
    """

    by_all: tuple[tuple[str, int, bool, int], ...] = ()
    number: int = 0


class ConversationRow(NamedTuple):
    """A conversation as one user sees it."""

    uid: str
    conversation_id: ConversationKey
    last_message_id: int
    shown_message_id: int
    created_at: int
    updated_at: int
    read_id: int
    cleared_id: int
    tags: str | None
    pinned_at: int | None
    unread: int = 0
    mentioned: int = 0


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A role of users. `metadata` and `settings` hold encoded JSON."""

    role: str
    name: str
    description: str | None = None
    metadata: str | None = None
    settings: str | None = None
    created_at: int = 0
    updated_at: int = 0


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key, known by its hash and its last characters (`hint`).

    Attributes:
        expires_at: when it ends; None if it lasts until it is removed.
        used_at: when it was last used, to the hour; None if never.
    """

    key_hash: str
    name: str
    scope: str
    created_at: int
    hint: str = ""
    expires_at: int | None = None
    used_at: int | None = None


@dataclass(frozen=True, slots=True)
class TokenRow:
    """An auth token, known by its hash and its last characters (`hint`).

    Attributes:
        expires_at: when it ends by itself; None if it lasts until it is revoked.
    """

    token_hash: str
    uid: str
    created_at: int
    hint: str = ""
    platform: str | None = None
    user_agent: str | None = None
    app_info: str | None = None
    expires_at: int | None = None


class TokenOwner(NamedTuple):
    """The owner of an auth token, when it was created, and when it ends by itself."""

    uid: str
    created_at: int
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class FileRow:
    """An uploaded file, under a random name that cannot be guessed."""

    name: str
    uid: str
    file_name: str
    mime_type: str
    size: int
    created_at: int
    width: int | None = None
    height: int | None = None
    thumbnail: str | None = None


class FileResult(StrEnum):
    """The result of storing the record of a file."""

    STORED = "stored"
    EXISTS = "exists"  # a file of that name exists: nothing was changed
    OVER_QUOTA = "over quota"  # the user's quota is exceeded
    NO_USER = "no user"  # the user was deleted
