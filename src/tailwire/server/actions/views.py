"""The results of actions: users, groups and conversations as one reader sees them. `payloads` makes JSON of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from tailwire.server.ports.records import BanRow, ConversationRow, GroupRow, MemberRow, ReactionRow, UserRow


class Blocks(NamedTuple):
    """The blocks between a user and the reader.

    Attributes:
        by_reader_at: when the reader blocked the user, in seconds since 1970; None if they have not.
        by_user_at: when the user blocked the reader, in seconds since 1970; None if they have not.
    """

    by_reader_at: int | None = None
    by_user_at: int | None = None


NO_BLOCKS = Blocks()


class UserView(NamedTuple):
    """A user. A tuple, because one is made for each entry of a list.

    Attributes:
        online: whether the user is online; False also if the reader may not know.
        blocks: the blocks between the user and the reader; `NO_BLOCKS` also if they were not requested.
        conversation_id: the id of the conversation with the reader; None if it was not requested.
    """

    row: UserRow
    online: bool = False
    blocks: Blocks = NO_BLOCKS
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True)
class TokenView:
    """A user, with one of their auth tokens.

    Attributes:
        token: the token itself.
        signed_pass: the pass for a WebSocket, or None if none was requested.
    """

    user: UserView
    token: str
    signed_pass: str | None = None


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member of a group. `user` is None if the user no longer exists."""

    member: MemberRow
    user: UserView | None


@dataclass(frozen=True, slots=True)
class BanView:
    """A user who is banned from a group. `user` is None if the user no longer exists."""

    ban: BanRow
    user: UserView | None


class GroupView(NamedTuple):
    """A group. A tuple, because one is made for each message to a group.

    Attributes:
        member: the reader's membership; None if they are not a member, or for no particular reader.
        banned: whether the reader is banned from the group; False if that was not requested.
    """

    row: GroupRow
    member: MemberRow | None = None
    banned: bool = False


@dataclass(frozen=True, slots=True)
class MissingUser:
    """The other participant of a conversation, who no longer exists."""

    uid: str


@dataclass(frozen=True, slots=True)
class MissingGroup:
    """The group of a conversation, which no longer exists."""

    guid: str


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation in the list of a user.

    Attributes:
        partner: the group, or the other user. A user is encoded already, because a list has many and they are cached.
        last: the last message, encoded; None if there is no message to show.
        blocks: the blocks between the two users; `NO_BLOCKS` also if they were not requested.
        with_tags: whether the tags shall be shown.
        with_uid: whether the uid of the user in whose list it is shall be shown. This is needed only by the app itself,
            which reads the conversations of all users.
    """

    row: ConversationRow
    partner: GroupView | msgspec.Raw | MissingUser | MissingGroup
    last: bytes | None = None
    blocks: Blocks = NO_BLOCKS
    with_tags: bool = True
    with_uid: bool = False


@dataclass(frozen=True, slots=True)
class UnreadView:
    """The number of messages of a conversation that a user has not read.

    Attributes:
        kind: `user` or `group`.
        partner: the uid or guid.
    """

    kind: str
    partner: str
    count: int


@dataclass(frozen=True, slots=True)
class ReactionView:
    """A reaction to a message.

    Attributes:
        by: the user who reacted, encoded; None if the user no longer exists.
    """

    row: ReactionRow
    by: msgspec.Raw | None


@dataclass(frozen=True, slots=True)
class ReportView:
    """A report of a message.

    Attributes:
        message: the message, encoded; None if it no longer exists.
        by: the uid of the user who reported it.
        reason: the id of the reason.
        at: when they did, in seconds since 1970.
    """

    message_id: int
    message: bytes | None
    by: str
    reason: str
    remark: str | None
    at: int
