"""What a reader wants of a list. A filter's `shape()` decides the form of a query, its values fill it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from tailwire.server.ports.conversations import ConversationKey


@dataclass(slots=True)  # not frozen: one is made for every page of history, and so it costs a quarter
class MessageFilter:
    """Which messages a reader wants. Not to be changed.

    Attributes:
        reader: only what this user may see; "" for everything (a REST key without `onBehalfOf`).
        conversation_id: one conversation, or None for all of the reader's.
        since: only messages after this id: what lies before, the reader has deleted for themselves.
        newer: messages after the cursor, oldest first; else before it, newest first.
        cursor: an id, or None. Of pinned and saved messages it says that those follow which were so before it.
        sent_cursor: a time, or None; of the messages of that second, those beyond the id if there is one, else none.
        updated_after: only what changed at or after this time.
        unread: only what others sent and the reader has not read.
        undelivered: only what others sent and the reader has not received.
        traits: bits of `records.Trait` that a message must have.
        mentioned: only messages that mention one of these.
        not_from_blocked: leave out what users sent whom the reader has blocked.
        pinned: only pinned ones, by the time of the pin.
        saved: only those that the reader saved, by the time of the save.
        search: only messages with these words, the last one perhaps only begun.
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
        """What of it decides the form of the query, not its values: see `read_shape`."""
        common = (
            bool(self.reader), self.conversation_id is not None, bool(self.since), self.newer, self.cursor is not None,
            self.hide_replies, self.hide_deleted, len(self.categories), len(self.types),
        )  # fmt: skip
        return (
            common
            if self.is_common()
            else (*common, *[rule(value) for rule, value in zip(_RARE, _rare(self), strict=True)])
        )

    def is_common(self) -> bool:
        """Whether nothing is asked that is rarely asked."""
        return bool(_rare(self) == _USUAL)


def _there(value: Any) -> bool:
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
# Of flags and texts it counts whether they are set, of lists how long they are, of what may be None whether it is not.
_MAY_BE_NONE = {"sent_cursor", "updated_after", "parent_id", "from_time", "to_time"}
_RARE_FIELDS = [f for f in fields(MessageFilter) if f.name not in (*_COMMON, "limit")]
_RARE: list[Callable[[Any], Any]] = [
    _there if f.name in _MAY_BE_NONE else len if isinstance(f.default, tuple) else bool for f in _RARE_FIELDS
]
_rare = attrgetter(*[f.name for f in _RARE_FIELDS])
_USUAL = tuple([f.default for f in _RARE_FIELDS])


def read_shape(shape: tuple[Any, ...]) -> Any:
    """A filter's `shape()` with the names of its fields."""
    rare = shape[len(_COMMON) :] or [rule(value) for rule, value in zip(_RARE, _USUAL, strict=True)]
    names = (*_COMMON, *[f.name for f in _RARE_FIELDS])
    return SimpleNamespace(**dict(zip(names, (*shape[: len(_COMMON)], *rare), strict=True)))


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users somebody wants.

    Attributes:
        reader: who asks; "" for a REST key.
        search: the beginning of the name or uid.
        status_of: with `online`: the uids that have a socket.
        online: only those in `status_of` (True), only the others (False), or all (None).
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
    status_of: tuple[str, ...] = ()
    deactivated: bool | None = False
    sort_by: str = "name"
    descending: bool = False
    limit: int = 30
    offset: int = 0


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """Which groups somebody wants.

    Attributes:
        reader: who asks; "" for a REST key, which sees all.
        joined: only those that they are a member of.
        updated: only those that were made or changed at this time or after it, in that order; with `descending` at or
            before it, the other way round. 0 for all.
    """

    reader: str = ""
    joined: bool = False
    search: str = ""
    search_in: tuple[str, ...] = ("name", "guid")
    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    updated: int = 0
    sort_by: str = "name"
    descending: bool = False
    limit: int = 30
    offset: int = 0


@dataclass(frozen=True, slots=True)
class MemberFilter:
    """Which members of a group somebody wants. `online` and `status_of` as in `UserFilter`."""

    guid: str
    search: str = ""
    scopes: tuple[str, ...] = ()
    online: bool | None = None
    status_of: tuple[str, ...] = ()
    limit: int = 30
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ConversationFilter:
    """Which of their conversations a user wants, newest first.

    Attributes:
        uid: whose; "" for those of all users, one after the other.
        kind: `user`, `group`, or "" for both.
        unread: only those with unread messages.
        tags: of the conversation (the user's own).
        hide_blocked: leave out those with users whom they blocked, or who blocked them.
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
    pinned: bool = False
    limit: int = 30
    offset: int = 0
