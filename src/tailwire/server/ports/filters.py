"""Filters of lists, and positions in lists that are read by cursor.

Message filters with the same `shape()` share one compiled query; their values are its parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from tailwire.server.ports.conversations import ConversationKey

Position = tuple[str | int, ...]
"""A position in an ordered list: the values, in one row, of the columns by which the list is ordered. The next page
begins after that row. () is before the first row."""


@dataclass(slots=True)  # not frozen: each page of history creates one, at a quarter of the cost
class MessageFilter:
    """Selects messages that meet all conditions. A field with its default value is not checked.

    Treat it as immutable.

    Attributes:
        reader: only messages that this user may see; "" for all (a REST key without `onBehalfOf`). With
            `conversation_id`, the caller has to check that they may see that conversation.
        conversation_id: the key of one conversation; None for all of the reader's.
        since: with `conversation_id`: only messages with higher ids; the reader has deleted the others for themselves.
        newer: True for the messages after the cursor, oldest first; False for those before it, newest first.
        cursor: a message id; None to begin at the first message of the order. With `pinned` or `saved`: only messages
            that were pinned or saved before this one was.
        sent_cursor: only messages that were sent after this time (before it, if `newer` is False), in seconds since
            1970. With `cursor` too, those sent in this second also belong to the list, as far as their ids are beyond
            `cursor`. None for all.
        updated_after: only messages that changed at or after this time, in seconds since 1970.
        only_updates: with `updated_after`: only messages that changed after they were sent.
        receiver_type: `user` or `group`; "" for both.
        parent_id: only replies in the thread of this message.
        hide_replies: exclude replies; has no effect together with `parent_id`.
        hide_quoted: exclude messages that quote another one.
        unread: only messages of others that the reader has not read: those that `ConversationRow.unread` counts, which
            were not deleted and, in a group, were sent after the reader joined.
        undelivered: only messages of others that the reader has not received; in a group, those since they joined.
        before_joining: with `newer` and a cursor: include messages in groups from before the reader joined. Otherwise
            such a filter asks for what the reader has missed, to which they do not belong.
        from_time, to_time: only messages sent from the one to the other time, both included, in seconds since 1970.
        traits: bits of `records.Trait` that a message must have, all of them.
        mentioned: only messages that mention at least one of these uids.
        tags: only messages with at least one of these tags.
        not_from_blocked: exclude messages of users whom the reader has blocked.
        pinned: only pinned messages, those pinned last first.
        saved: only messages that the reader saved, those saved last first.
        search: only messages with all of these words; the last one may be the beginning of a word.
        limit, offset: leave out the first `offset` messages, and return at most `limit`.
    """

    reader: str
    conversation_id: ConversationKey | None = None
    since: int = 0
    newer: bool = False
    cursor: int | None = None
    sent_cursor: int | None = None
    updated_after: int | None = None
    only_updates: bool = False
    receiver_type: str = ""
    sender: str = ""
    categories: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    parent_id: int | None = None
    hide_replies: bool = False
    hide_deleted: bool = False
    only_deleted: bool = False
    hide_quoted: bool = False
    unread: bool = False
    undelivered: bool = False
    before_joining: bool = False
    from_time: int | None = None
    to_time: int | None = None
    traits: int = 0
    mentioned: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    not_from_blocked: bool = False
    pinned: bool = False
    saved: bool = False
    search: str = ""
    limit: int = 30
    offset: int = 0

    def shape(self) -> tuple[Any, ...]:
        """Return what determines the text of the query, such as which fields are set, without their values.

        It is hashable, so that compiled queries can be cached by it. `read_shape` gives names to its items.
        """
        common = (
            bool(self.reader), self.conversation_id is not None, bool(self.since), self.newer, self.cursor is not None,
            self.hide_replies, self.hide_deleted, len(self.categories), len(self.types),
        )  # fmt: skip
        return (
            common
            if _rare(self) == _USUAL
            else (*common, *[rule(value) for rule, value in zip(_RARE, _rare(self), strict=True)])
        )


def is_common(shape: tuple[Any, ...]) -> bool:
    """Return whether a filter of this shape sets only fields that most filters use (`_COMMON`).

    Its query then has no other parameters than theirs.
    """
    return len(shape) == len(_COMMON)


def _is_given(value: Any) -> bool:
    return value is not None


_COMMON = (
    "reader",
    "conversation_id",
    "since",
    "newer",
    "cursor",
    "hide_replies",
    "hide_deleted",
    "categories",
    "types",
)
# The part of a field that the shape keeps: for flags and texts whether they are set, for lists their length, for
# optional values whether they are given.
_OPTIONAL = {"sent_cursor", "updated_after", "parent_id", "from_time", "to_time"}
_RARE_FIELDS = [f for f in fields(MessageFilter) if f.name not in (*_COMMON, "limit")]
_RARE: list[Callable[[Any], Any]] = [
    _is_given if f.name in _OPTIONAL else len if isinstance(f.default, tuple) else bool for f in _RARE_FIELDS
]
_rare = attrgetter(*[f.name for f in _RARE_FIELDS])
_USUAL = tuple([f.default for f in _RARE_FIELDS])


def read_shape(shape: tuple[Any, ...]) -> Any:
    """Return a filter's `shape()` as an object that has an attribute for each field of the filter, except `limit`.

    The value of an attribute is, as the field requires, the length of a tuple, whether a flag or text is set, or
    whether an optional value is given.
    """
    rare = shape[len(_COMMON) :] or [rule(value) for rule, value in zip(_RARE, _USUAL, strict=True)]
    names = (*_COMMON, *[f.name for f in _RARE_FIELDS])
    return SimpleNamespace(**dict(zip(names, (*shape[: len(_COMMON)], *rare), strict=True)))


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Selects users that meet all conditions. A field with its default value is not checked, except `deactivated`.

    Attributes:
        reader: the uid of the caller; "" for a REST key.
        search: only users whose name or uid, as `search_in` says, begins with this; "" for all.
        search_in: `name`, `uid`, or both.
        uids, roles: only users with one of these uids, or roles.
        tags: only users with at least one of these tags.
        friends_only: only friends of the reader.
        hide_blocked: exclude users whom the reader has blocked, and those who have blocked the reader.
        online: only users in `online_uids` (True), only others (False), or all (None).
        online_uids: used with `online`: the uids of the users who are online.
        deactivated: only deactivated users (True), only others (False), or all (None).
        sort_by: `name`, `uid`, `createdAt` or `status`, which is the time when they were last online. Users who are
            alike in this are ordered by uid.
        limit, offset: leave out the first `offset` users, and return at most `limit`.
    """

    reader: str = ""
    search: str = ""
    search_in: tuple[str, ...] = ("name", "uid")
    uids: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    friends_only: bool = False
    hide_blocked: bool = False
    online: bool | None = None
    online_uids: tuple[str, ...] = ()
    deactivated: bool | None = False
    sort_by: str = "name"
    descending: bool = False
    limit: int = 30
    offset: int = 0


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """Selects groups that meet all conditions. A field with its default value is not checked.

    Attributes:
        reader: the uid of the caller, who does not see private groups that they are not a member of; "" for a REST key,
            which sees all groups.
        joined: only groups that the reader is a member of.
        search: only groups whose name or guid, as `search_in` says, begins with this; "" for all.
        search_in: `name`, `guid`, or both.
        types: only groups of these types.
        tags: only groups with at least one of these tags.
        updated_from: only groups that were last changed (or created) at or after this time, in seconds since 1970,
            ordered by the time of that change; with `descending`, at or before it. 0 for all, ordered by `sort_by`.
        sort_by: `name`, `guid` or `createdAt`. Groups that are alike in this are ordered by guid.
        limit, offset: leave out the first `offset` groups, and return at most `limit`.
    """

    reader: str = ""
    joined: bool = False
    search: str = ""
    search_in: tuple[str, ...] = ("name", "guid")
    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    updated_from: int = 0
    sort_by: str = "name"
    descending: bool = False
    limit: int = 30
    offset: int = 0


@dataclass(frozen=True, slots=True)
class MemberFilter:
    """Selects members of a group, or users who are banned from it.

    Attributes:
        search: only users whose name or uid begins with this; "" for all.
        scopes: only users with one of these scopes (for a ban, the scope that they had); () for all.
        online, online_uids: as in `UserFilter`.
        limit, offset: leave out the first `offset` users, and return at most `limit`.
    """

    guid: str
    search: str = ""
    scopes: tuple[str, ...] = ()
    online: bool | None = None
    online_uids: tuple[str, ...] = ()
    limit: int = 30
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ConversationFilter:
    """Selects conversations of a user that meet all conditions. A field with its default value is not checked.

    They are ordered by the time of their last message, newest first, after those that the user has pinned, which are
    in the same order.

    Attributes:
        uid: the user; "" for those of all users, ordered by uid, then newest first. A conversation is then listed once
            for each participant.
        kind: only conversations of this kind, `user` or `group`; "" for both.
        search: only conversations with a user, or group, whose name or id contains this; "" for all.
        tags: only conversations on which the user set one of these tags.
        user_tags, group_tags: only conversations with users, or groups, that have one of these tags. If only one of the
            two is given, conversations of the other kind are excluded.
        unread: only conversations with unread messages.
        hide_blocked: exclude conversations with users whom the user blocked, or who blocked the user.
        not_from_blocked: do not count messages of users whom the user blocked as unread, or as mentions.
        pinned: only conversations that the user pinned.
        limit, offset: leave out the first `offset` conversations, and return at most `limit`.
    """

    uid: str
    kind: str = ""
    conversation_id: ConversationKey | None = None
    search: str = ""
    tags: tuple[str, ...] = ()
    user_tags: tuple[str, ...] = ()
    group_tags: tuple[str, ...] = ()
    unread: bool = False
    hide_blocked: bool = False
    not_from_blocked: bool = False
    pinned: bool = False
    limit: int = 30
    offset: int = 0
