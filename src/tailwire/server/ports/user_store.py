"""Users and roles, and the blocks and friendships between users. `ports.store` tells what all methods can raise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tailwire.server.ports.filters import Position, UserFilter
from tailwire.server.ports.records import Event, RoleRow, UserRow


class UserStore(Protocol):
    """Users. Their removal is in `Removal`."""

    async def get(self, uid: str) -> UserRow | None:
        """Return a user, or None."""

    async def find(self, criteria: UserFilter) -> tuple[list[UserRow], int]:
        """Return a page of the users that match a filter, and how many match in all."""

    async def list_after(self, criteria: UserFilter, position: Position) -> list[UserRow]:
        """Return users that match a filter, ordered by the field in `sort_by` and then by uid.

        Args:
            criteria: the filter. Its `limit` says how many users to return at most; its `offset` has no effect.
            position: the value of the field and the uid of the last user that was read (only the uid if it is the
                field); () to begin.
        """

    async def add(self, user: UserRow) -> bool:
        """Store a new user. Return False, storing nothing, if the uid is taken."""

    async def change(self, uid: str, columns: Mapping[str, object]) -> UserRow | None:
        """Change some columns of a user. Return the changed user, or None if there is no such user.

        Args:
            uid: the user.
            columns: the new values, by the names of the columns.

        Raises:
            ValueError: a column cannot be changed this way, such as `deactivated_at`.
        """

    async def store_last_online(self, uid: str, now: int) -> None:
        """Store that a user was last online at the time `now`, in seconds since 1970."""

    async def deactivate(self, uids: Sequence[str], at: int | None) -> tuple[list[str], list[tuple[str, str]]]:
        """Deactivate users and revoke their auth tokens, or reactivate them.

        Args:
            uids: the users.
            at: the time of the deactivation, in seconds since 1970; None to reactivate.

        Returns:
            The uids that were changed, without those that do not exist or were in this state already; and for each
            revoked token the uid of its user and its hash.
        """


class RoleStore(Protocol):
    """Roles of users, and the features that a role may not use."""

    async def get(self, role: str) -> RoleRow | None:
        """Return a role, or None."""

    async def find(self, *, limit: int, offset: int) -> tuple[list[RoleRow], int]:
        """Return a page of the roles, ordered by their ids, and how many there are in all."""

    async def add(self, role: RoleRow) -> bool:
        """Store a new role. Return False, storing nothing, if its id is taken."""

    async def change(self, role: str, change: Callable[[RoleRow], RoleRow]) -> RoleRow | None:
        """Change a role. Return the changed role, or None if there is no such role.

        Args:
            role: the id of the role.
            change: returns the changed role, given the stored one. It is called in the transaction that stores the
                result, perhaps in another thread, and more than once if others change the role at the same time.

        Raises:
            Refused: raised by `change`. Nothing is stored.
        """

    async def remove(self, role: str) -> None:
        """Remove a role with its restrictions. Its users get the role `default`."""

    async def restrict(self, role: str, features: Sequence[str], now: int) -> bool:
        """Forbid the users of a role to use features, from the time `now`. Return False if there is no such role."""

    async def allow(self, role: str, features: Sequence[str]) -> None:
        """Allow the users of a role to use features again."""

    async def restrictions(self, role: str) -> dict[str, int]:
        """Return since when each feature is forbidden for a role, in seconds since 1970, by the name of the feature."""


class BlockStore(Protocol):
    """Blocks of users by other users."""

    async def blocker_between(self, one: str, other: str) -> str:
        """Return which of two users has blocked the other: `one` also if both have; "" if neither has."""

    async def add(
        self, uid: str, blocked: Sequence[str], now: int, events: Sequence[Event] = (), device: str = ""
    ) -> int:
        """Store that a user blocks others.

        Args:
            uid: the user.
            blocked: the uids of the others.
            now: the time, in seconds since 1970.
            events: webhook events to queue in the same transaction.
            device: the user's device, to which the change is not reported; "" to report it to all their devices.

        Returns:
            The number of the change in the change log; 0 if all of them were blocked already.
        """

    async def remove(self, uid: str, blocked: Sequence[str], events: Sequence[Event] = (), device: str = "") -> int:
        """Remove a user's blocks of others. The arguments are those of `add`.

        Returns:
            The number of the change in the change log; 0 if none of them was blocked.
        """

    async def find(
        self, uid: str, direction: str, *, search: str = "", limit: int = 30, offset: int = 0
    ) -> tuple[list[tuple[str, int | None, int | None]], int]:
        """Return a page of the blocks between a user and others, ordered by the uid of the other.

        Args:
            uid: the user.
            direction: `blockedByMe` for those whom the user has blocked, `hasBlockedMe` for those who have blocked the
                user, or `both`.
            search: only others whose name or uid begins with this; "" for all.
            limit, offset: leave out the first `offset` others, and return at most `limit`.

        Returns:
            A list, and how many others match in all. An item of the list is the uid of the other, the time when the
            user blocked them, and the time when they blocked the user. The times are in seconds since 1970; None
            without such a block, or if it was not asked for.
        """

    async def with_users(self, uid: str, others: Sequence[str]) -> dict[str, tuple[int | None, int | None]]:
        """Return the blocks between a user and given others, by the uid of the other.

        Each value is the time when the user blocked the other, and the time when the other blocked the user, in seconds
        since 1970; one of them may be None. Others without a block in either direction are left out.
        """

    async def blocked_or_blocking(self, uid: str) -> frozenset[str]:
        """Return the uids of all whom a user has blocked or who have blocked them."""


class FriendStore(Protocol):
    """Friendships between two users."""

    async def add(self, uid: str, friend: str, now: int, limit: int) -> str:
        """Make two users friends.

        Args:
            uid, friend: the two users.
            now: the time, in seconds since 1970.
            limit: how many friends a user may have.

        Returns:
            "" if they are friends now; `known`, without any effect, if they were already; `full`, without any effect,
            if one of them has `limit` friends.
        """

    async def remove(self, uid: str, friend: str) -> bool:
        """End a friendship. Return False if there was none."""

    async def of_user(self, uid: str) -> frozenset[str]:
        """Return the uids of the friends of a user."""

    async def exists(self, uid: str, friend: str) -> bool:
        """Return whether two users are friends."""
