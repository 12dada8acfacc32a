"""Groups and their members. `ports.store` tells what all methods can raise."""

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
        """Return a page of the groups that match a filter, and how many match in all."""

    async def list_after(self, criteria: GroupFilter, position: Position) -> list[GroupRow]:
        """Return groups that match a filter, ordered by the field in `sort_by` and then by guid.

        Args:
            criteria: the filter. Its `limit` says how many groups to return at most; its `offset` has no effect.
            position: the value of the field and the guid of the last group that was read (only the guid if it is the
                field); () to begin.
        """

    async def add(self, group: GroupRow, *, owner_is_member: bool = True, events: Sequence[Event] = ()) -> bool:
        """Store a new group. Return False, storing nothing, if the guid is taken.

        Args:
            group: the group. Its `members_count` has to include the owner.
            owner_is_member: whether the owner becomes a member, with the scope admin.
            events: webhook events to queue in the same transaction.
        """

    async def change(
        self,
        act: GroupAct,
        change: Callable[[GroupStanding], Mapping[str, object]],
        events: Callable[[GroupRow], Sequence[Event]],
    ) -> tuple[GroupRow, int]:
        """Change some columns of a group.

        Args:
            act: who changes the group. Its condition is checked in the transaction of the change.
            change: returns the names and new values of the columns to change, given the standing in that transaction;
                may raise `Refused`.
            events: returns the webhook events to queue, given the changed group.

        Returns:
            The changed group, and the number of the change in the change log.

        Raises:
            Refused: raised by `act.allowed` or `change`; or ERR_GUID_NOT_FOUND: there is no such group.
            ValueError: `change` names a column that cannot be changed this way, such as `owner`.
        """

    async def transfer_ownership(
        self, act: GroupAct, now: int, events: Callable[[GroupStanding], Sequence[Event]]
    ) -> int:
        """Make a member the owner of a group, and an admin of it.

        Args:
            act: the group, the user who makes the change, and the member, who is the subject of the act. Its condition
                is checked in the transaction of the change.
            now: the time, in seconds since 1970.
            events: returns the webhook events to queue, given the standing before the change.

        Returns:
            The number of the change in the change log.

        Raises:
            Refused: raised by `act.allowed`; ERR_GUID_NOT_FOUND: there is no such group; or ERR_NOT_A_MEMBER: the
                subject is not a member.
        """


class MemberStore(Protocol):
    """Members and bans of groups.

    A write takes an act: who acts on which user (its subject) in which group. The act's condition is checked in the
    transaction of the write; `Refused` is raised if `act.allowed` raises it, or with ERR_GUID_NOT_FOUND if there is no
    such group. The same transaction stores the action message that announces the change to the group: `announce`
    returns that message, given the standing before the change.
    """

    async def get(self, guid: str, uid: str) -> MemberRow | None:
        """Return a membership, or None."""

    async def in_groups(self, guids: list[str], uid: str) -> dict[str, MemberRow]:
        """Return a user's memberships in the given groups, by guid."""

    async def find(self, criteria: MemberFilter) -> tuple[list[MemberRow], int]:
        """Return a page of the members that match a filter, ordered by uid, and how many match in all."""

    async def list_after(self, criteria: MemberFilter, position: Position) -> list[MemberRow]:
        """Return members that match a filter, ordered by uid.

        Args:
            criteria: the filter. Its `limit` says how many members to return at most; its `offset` has no effect.
            position: the uid of the last member that was read, in a tuple; () to begin.
        """

    async def groups_of(self, uid: str) -> list[str]:
        """Return the guids of the groups that a user is a member of, in any order."""

    async def memberships_of(self, uid: str) -> dict[str, int]:
        """Return the `joined_after_id` of each membership of a user, by guid (see `records.MemberRow`)."""

    async def members_among(self, guid: str, uids: list[str]) -> list[str]:
        """Return which of the given users are members of a group, in any order."""

    async def add(self, act: GroupAct, scope: Scope, now: int, announce: Callable[[GroupStanding], Draft]) -> Stored:
        """Add the subject of the act to the group, and return the stored action message.

        Args:
            scope: the scope of the new member.
            now: the time, in seconds since 1970.

        Raises:
            Refused: raised by `act.allowed`; ERR_ALREADY_JOINED: the subject is a member; or ERR_BANNED_GROUPMEMBER:
                the subject is banned.
        """

    async def remove(
        self,
        act: GroupAct,
        announce: Callable[[GroupStanding], Draft],
        *,
        banned_at: int | None = None,
        receipt_members: int = 0,
    ) -> tuple[Stored, GroupStanding]:
        """Remove the subject of the act from the group, or ban them, whether they are a member or not.

        Args:
            act: the act.
            announce: returns the action message.
            banned_at: the time of the ban, in seconds since 1970; None to remove a member without a ban.
            receipt_members: up to how many members a group has receipts. If this group is not larger, messages that
                only the subject had not received or read are stored as received or read by all (see `Stored.by_all`).

        Returns:
            The stored action message, and the standing before the change, which says whether the subject was a member.

        Raises:
            Refused: raised by `act.allowed`; ERR_NOT_A_MEMBER: the subject is to be removed, but is not a member; or
                ERR_ALREADY_BANNED: the subject is to be banned, but is not a member and is banned already.
        """

    async def change_scope(self, act: GroupAct, scope: Scope, announce: Callable[[GroupStanding], Draft]) -> Stored:
        """Change the scope of the subject of the act, and return the stored action message.

        Raises:
            Refused: raised by `act.allowed`; or ERR_NOT_A_MEMBER: the subject is not a member.
        """

    async def ban_of(self, guid: str, uid: str) -> BanRow | None:
        """Return a user's ban from a group, or None."""

    async def banned_in(self, guids: list[str], uid: str) -> set[str]:
        """Return the guids of those of the given groups that a user is banned from."""

    async def bans(self, criteria: MemberFilter) -> tuple[list[BanRow], int]:
        """Return a page of the bans that match a filter, ordered by uid, and how many match in all."""

    async def unban(self, act: GroupAct, announce: Callable[[GroupStanding], Draft]) -> Stored:
        """Lift the ban of the subject of the act, and return the stored action message.

        Raises:
            Refused: raised by `act.allowed`; or ERR_NOT_A_BANNED_USER: the subject is not banned.
        """
