"""Filters of lists. The `shape()` of a message filter selects its query, and its values are the parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from tailwire.server.ports.conversations import ConversationKey

Position = tuple[str | int, ...]
"""The end of a page of a list: the values in its last row by which the list is ordered; () is before the first row."""


@dataclass(slots=True)  # not frozen: each page of history creates one, at a quarter of the cost
class MessageFilter:
    """Selects messages for a reader. Treat it as immutable.

    Attributes:
        reader: only messages that this user may see; "" for all (a REST key without `onBehalfOf`).
        conversation_id: one conversation, or None for all of the reader's.
        since: only messages after this id; the reader has deleted earlier ones for themselves.
        newer: messages after the cursor, oldest first; otherwise before it, newest first.
        cursor: a message id, or None. Of pinned and saved messages, select those pinned or saved before this one.
        sent_cursor: only messages that were sent after (without `newer` before) this time, in seconds since 1970; of
            those sent in that second only what is beyond `cursor`, if both are given. None for all.
        updated_after: only messages that changed at or after this time, in seconds since 1970.
        only_updates: with `updated_after`: only messages that changed after they were sent.
        receiver_type: `user` or `group`; "" for both.
        parent_id: only replies in the thread of this message.
        hide_replies: exclude replies; has no effect together with `parent_id`.
        hide_quoted: exclude messages that quote another one.
        unread: only messages of others that the reader has not read.
        undelivered: only messages of others that the reader has not received.
        from_time, to_time: only messages sent in this time, in seconds since 1970, inclusive.
        traits: bits of `records.Trait` that a message must have, all of them.
        mentioned: only messages that mention one of these uids.
        not_from_blocked: exclude messages of users whom the reader has blocked.
        pinned: only pinned messages, by the time of the pin.
        saved: only messages that the reader saved, by the time of the save.
        search: only messages with these words; the last word may be a prefix.
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
        """Return what determines the form of the query, without its values (see `read_shape`)."""
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
    """Return whether no rarely used field is set in a filter of this shape."""
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
    """Return a filter's `shape()` as an object with the names of its fields."""
    rare = shape[len(_COMMON) :] or [rule(value) for rule, value in zip(_RARE, _USUAL, strict=True)]
    names = (*_COMMON, *[f.name for f in _RARE_FIELDS])
    return SimpleNamespace(**dict(zip(names, (*shape[: len(_COMMON)], *rare), strict=True)))


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Selects users.

    Attributes:
        reader: the uid of the caller; "" for a REST key.
        search: a prefix of one of the fields in `search_in`; "" for all.
        hide_blocked: exclude users whom the reader has blocked, and those who have blocked the reader.
        online: only users in `online_uids` (True), only others (False), or all (None).
        online_uids: used with `online`: the uids of the users who are online.
        deactivated: only deactivated users (True), only others (False), or all (None).
        sort_by: `name`, `uid`, `createdAt` or `status`, which is the time when they were last online.
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
    """Selects groups.

    Attributes:
        reader: the uid of the caller; "" for a REST key, which sees all groups.
        joined: only groups that the reader is a member of.
        search: a prefix of one of the fields in `search_in`; "" for all.
        updated_from: only groups created or changed at or after this time (seconds since 1970), in that order; with
            `descending`, at or before it, in reverse order. 0 for all, sorted by `sort_by`.
        sort_by: `name`, `guid` or `createdAt`.
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
    """Selects members of a group, or bans from it. `online` and `online_uids` are as in `UserFilter`."""

    guid: str
    search: str = ""
    scopes: tuple[str, ...] = ()
    online: bool | None = None
    online_uids: tuple[str, ...] = ()
    limit: int = 30
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ConversationFilter:
    """Selects conversations of a user: pinned ones first, each newest first.

    Attributes:
        uid: the user; "" for the conversations of all users, user by user, newest first.
        kind: `user`, `group`, or "" for both.
        search: a part of the other user's or the group's name or id; "" for all.
        tags: only conversations on which the user set one of these tags.
        user_tags, group_tags: only conversations with users, or groups, that have one of these tags. If only one of the
            two is given, conversations of the other kind are excluded.
        unread: only conversations with unread messages.
        hide_blocked: exclude conversations with users whom the user blocked, or who blocked the user.
        not_from_blocked: count no messages of users whom the user blocked as unread.
        pinned: only conversations that the user pinned.
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
