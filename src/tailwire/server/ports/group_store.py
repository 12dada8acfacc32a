"""Groups and their members."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tailwire.server.ports.filters import GroupFilter, MemberFilter, Position
from tailwire.server.ports.records import BanRow, Draft, Event, GroupRow, MemberRow, Scope, Stored
from tailwire.server.ports.standing import GroupAct, GroupStanding


class GroupStore(Protocol):
    """Groups. Their removal is in `Removal`."""

    async def get(self, guid: str) -> GroupRow | None:
        """Return a group, or None."""

    async def get_for(self, guid: str, uid: str) -> tuple[GroupRow, MemberRow | None, BanRow | None] | None:
        """Return a group with the membership and the ban of a user, or None if there is no such group."""

    async def find(self, criteria: GroupFilter) -> tuple[list[GroupRow], int]:
        """Return a page of the groups that match a filter, and how many match.

        A reader sees private groups only where they are a member.
        """

    async def list_after(self, criteria: GroupFilter, position: Position) -> list[GroupRow]:
        """Return the groups after a position: by the field that the filter sorts by, and their guid."""

    async def add(self, group: GroupRow, *, owner_is_member: bool = True, events: Sequence[Event] = ()) -> bool:
        """Store a new group, with its owner as first member. Return False if the guid is taken."""

    async def change(
        self,
        act: GroupAct,
        change: Callable[[GroupStanding], Mapping[str, object]],
        events: Callable[[GroupRow], Sequence[Event]],
    ) -> tuple[GroupRow, int]:
        """Change some columns of a group.

        Args:
            act: the act, whose condition is checked in the transaction of the change.
            change: makes the columns and their new values from the standing; may raise `Refused`.
            events: makes the webhook events from the changed group.

        Returns:
            The changed group, and the number of the change in the change log.

        Raises:
            Refused: the act is refused, `change` refuses, or ERR_GUID_NOT_FOUND: there is no such group.
        """

    async def transfer_ownership(
        self, act: GroupAct, now: int, events: Callable[[GroupStanding], Sequence[Event]]
    ) -> int:
        """Make the subject of the act, a member, the owner of the group and an admin of it.

        Args:
            act: the act, whose condition is checked in the transaction of the change.
            now: the time, in seconds since 1970.
            events: makes the webhook events from the standing before the change.

        Returns:
            The number of the change in the change log.

        Raises:
            Refused: the act is refused; ERR_GUID_NOT_FOUND; or ERR_NOT_A_MEMBER: the subject is not a member.
        """


class MemberStore(Protocol):
    """Members and bans of groups. A change and the message that announces it are one transaction.

    `announce` makes that message from the standing before the change. An act in a group that does not exist is refused
    with ERR_GUID_NOT_FOUND.
    """

    async def get(self, guid: str, uid: str) -> MemberRow | None:
        """Return a membership, or None."""

    async def in_groups(self, guids: list[str], uid: str) -> dict[str, MemberRow]:
        """Return a user's memberships in the given groups, by guid."""

    async def find(self, criteria: MemberFilter) -> tuple[list[MemberRow], int]:
        """Return a page of the members that match a filter, by uid, and how many match."""

    async def list_after(self, criteria: MemberFilter, position: Position) -> list[MemberRow]:
        """Return the members after a position, by uid."""

    async def groups_of(self, uid: str) -> list[str]:
        """Return the guids of the groups that a user is a member of."""

    async def memberships_of(self, uid: str) -> dict[str, int]:
        """Return the guids of a user's groups, each with the id of the message after which they receive messages."""

    async def members_among(self, guid: str, uids: list[str]) -> list[str]:
        """Return which of the given users are members of a group."""

    async def add(self, act: GroupAct, scope: Scope, now: int, announce: Callable[[GroupStanding], Draft]) -> Stored:
        """Add the subject of the act to the group. Store the action message that announces it, and return it.

        Raises:
            Refused: the act is refused; ERR_ALREADY_JOINED: the subject is a member; or ERR_BANNED_GROUPMEMBER: the
                subject's ban must be lifted first.
        """

    async def remove(
        self,
        act: GroupAct,
        announce: Callable[[GroupStanding], Draft],
        *,
        banned_at: int | None = None,
        receipt_members: int = 0,
    ) -> tuple[Stored, GroupStanding]:
        """Remove or ban the subject of the act, and store the action message that announces it.

        Args:
            act: the act, whose condition is checked in the transaction of the change.
            announce: makes the action message.
            banned_at: the time of the ban, in seconds since 1970; None for a removal without a ban. A user who is not a
                member can be banned, too.
            receipt_members: up to how many members a group has receipts. In such a group it is recorded that all have
                now received or read what only the subject had not.

        Returns:
            The action message, and the standing before the change, which says whether the subject was a member.

        Raises:
            Refused: the act is refused; ERR_NOT_A_MEMBER: a subject to be removed is not a member; or
                ERR_ALREADY_BANNED: a subject to be banned is banned already.
        """

    async def change_scope(self, act: GroupAct, scope: Scope, announce: Callable[[GroupStanding], Draft]) -> Stored:
        """Change the scope of the subject of the act. Store the action message that announces it, and return it.

        Raises:
            Refused: the act is refused, or ERR_NOT_A_MEMBER: the subject is not a member.
        """

    async def ban_of(self, guid: str, uid: str) -> BanRow | None:
        """Return a user's ban from a group, or None."""

    async def bans(self, criteria: MemberFilter) -> tuple[list[BanRow], int]:
        """Return a page of the bans that match a filter, by uid, and how many match."""

    async def unban(self, act: GroupAct, announce: Callable[[GroupStanding], Draft]) -> Stored:
        """Lift the ban of the subject of the act. Store the action message that announces it, and return it.

        Raises:
            Refused: the act is refused, or ERR_NOT_A_BANNED_USER: the subject is not banned.
        """
