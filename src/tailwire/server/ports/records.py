"""Rows that cross the store's interface.

`metadata`, `tags` and `settings` are encoded JSON; times are seconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag
from typing import Literal, NamedTuple

from tailwire.server.ports.conversations import ConversationKey
from tailwire.wire.bounds import UNCHECKED_BYTES, parseable

Scope = Literal["admin", "moderator", "participant"]
"""The scope of a member of a group: what they may do in it. The owner is in `GroupRow.owner`."""


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user.

    Attributes:
        last_active_at: when they were last online; 0 if never.
        deactivated_at: when they were deactivated; None while they may log in.
    """

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
    """A group.

    Attributes:
        type: `public`, `private` or `password`.
        password_hash: None if it needs no password.
        owner: the uid of its owner; None if it has none.
        updated_by: the uid of the user who last changed it; None if nobody did.
    """

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
    """A membership.

    Attributes:
        joined_after_id: the highest id of any message when it began. Only later messages of the group are sent to them.
    """

    guid: str
    uid: str
    scope: Scope
    joined_at: int
    joined_after_id: int


@dataclass(frozen=True, slots=True)
class BanRow:
    """A ban of a user from a group.

    Attributes:
        scope: the scope that they had; `participant` if they were not a member.
        banned_by: the uid of the user who banned them.
    """

    guid: str
    uid: str
    scope: Scope
    banned_at: int
    banned_by: str


class Trait(IntFlag):
    """Properties of a message, as bits of `MessageRow.traits`.

    LINK, MENTION, ATTACHMENT, REACTION: it has one. SEARCHABLE: its words are in the full-text index. INTERACTED: it is
    an interactive message, and a user has used an element of it.
    """

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
        trigger: the name of the event; the webhooks with this trigger receive it.
        data: the JSON for the field `data` of the request to the webhook; None for `{"message": …}` with the message
            that is stored in the same transaction.
    """

    trigger: str
    data: bytes | None = None


class Draft(NamedTuple):
    """A message to be stored (a tuple, because one is made for each send).

    Attributes:
        conversation_id: the key of its conversation.
        receiver: a uid if `receiver_type` is `user`; a guid if it is `group`.
        body: the message as REST returns it, encoded, without its id and without what `MessageRow.json` adds.
        muid: the client's own id, or None. A sender can store only one message with it.
        parent_id: the message in whose thread it is a reply, or None.
        quoted_id: the message that it quotes, or None.
        traits: bits of `Trait`.
        mentions: the uids that it mentions.
        shown: whether a list of conversations shows it as the last message. Replies are never shown there.
        events: the webhook events of the message.
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


class EditedContent(NamedTuple):
    """The new content of an edited message.

    Attributes:
        body: the message in the form of `Draft.body`.
        traits: bits of `Trait`, without those that reactions and interactions set, which remain as they are.
        mentions: the uids that it mentions now; None if unchanged.
        files: names of the uploaded files that it refers to now; None if unchanged.
    """

    body: bytes
    traits: int
    mentions: tuple[str, ...] | None = None
    files: tuple[str, ...] | None = None


class MessageRow(NamedTuple):
    """A stored message. A tuple, because thirty are created for every page of history.

    Attributes:
        delivered_at, read_at: when the receiver received or read it; None if they have not, and in groups.
        updated_at: when it, or what users attached to it, last changed.
        body: as in `Draft.body`.
        reply_count: how many replies its thread has.
        traits: bits of `Trait`.
    """

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
        """Return the JSON of the REST API, without reactions and what depends on the reader.

        `actions.rendering` adds these.
        """
        return _as_json(self)


class ListedRow(NamedTuple):
    """A message in a list, without the columns whose values its body contains, so that a page is read 10 % faster."""

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
        message: the stored message.
        new: whether it was stored now; False if `message` was stored before, by the same sender with the same muid.
        predecessor_id: the id of the preceding message of the conversation; 0 if there is none, or `new` is False.
        membership_end: for a message that announces that a user joined a group: the id of the message with which their
            previous membership ended; 0 if there was none, or it is no longer known.
        by_all: for a message that announces that a member left a group: which messages all others have received or
            read, and the leaver had not (as `ReadStateChange.by_all`).
    """

    message: MessageRow
    new: bool
    predecessor_id: int = 0
    membership_end: int = 0
    by_all: tuple[tuple[str, int, bool, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ReactionRow:
    """One user's reaction to a message.

    Attributes:
        reaction: its text, such as an emoji.
        number: from `ReactionStore.add` and `remove`: the number of the change in the change log; else 0.
        message: from `ReactionStore.add`: the message as it is afterwards; else None.
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
        reason_id, remark: the id of the reason that they chose, and what they wrote, or None.
        at: when they last reported it.
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
        delivered_id, read_id: the id of the newest message that they have received, or read; 0 if there is none.
        cleared_id: the id up to which they have deleted the messages for themselves; 0 if they have not.
        tags: their tags of the conversation, a JSON array of texts; None without tags.
        pinned_at: when they pinned the conversation; None if they have not.
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
    """What follows when a user has received or read messages.

    Attributes:
        by_all: in groups, for each sender whose messages all other members have now received or read: the uid of the
            sender; the id of the newest of these messages; True if all have read it, False if they have received it;
            and the number of this change in the change log.
        number: the number of the receipt in the change log; 0 if it is not logged, so that nobody is notified of it.
    """

    by_all: tuple[tuple[str, int, bool, int], ...] = ()
    number: int = 0


class ConversationRow(NamedTuple):
    """A conversation as one user sees it.

    Attributes:
        uid: the user.
        last_message_id: the id of its newest message; 0 if it has none.
        shown_message_id: the id of the newest message that may be shown as the last one in a list of conversations (see
            `Draft.shown`) and that the user has not deleted for themselves; 0 if there is none.
        read_id, cleared_id, tags, pinned_at: as in `ReadStateRow`.
        unread: how many messages of others the user has not read; 1000 means 1000 or more.
        mentioned: how many of these mention the user; 1000 means 1000 or more.
    """

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
    """A role of users, whose id is `role`."""

    role: str
    name: str
    description: str | None = None
    metadata: str | None = None
    settings: str | None = None
    created_at: int = 0
    updated_at: int = 0
