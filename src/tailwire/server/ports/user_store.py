"""Users and roles, and the blocks and friendships between users."""

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
        """Return a page of the users that match a filter, and how many match."""

    async def list_after(self, criteria: UserFilter, position: Position) -> list[UserRow]:
        """Return the users after a position: by the field that the filter sorts by, and their uid."""

    async def add(self, user: UserRow) -> bool:
        """Store a new user. Return False if the uid is taken."""

    async def change(self, uid: str, columns: Mapping[str, object]) -> UserRow | None:
        """Change the given columns of a user. Return the changed user, or None if there is no such user."""

    async def store_last_online(self, uid: str, now: int) -> None:
        """Store when a user was last online."""

    async def deactivate(self, uids: Sequence[str], at: int | None) -> tuple[list[str], list[tuple[str, str]]]:
        """Deactivate users and revoke their auth tokens, or reactivate them.

        Args:
            uids: the users.
            at: the time of the deactivation, in seconds since 1970; None to reactivate.

        Returns:
            The uids that were changed, and for each revoked token the uid and its hash.
        """


class RoleStore(Protocol):
    """Roles of users, and the features that a role may not use."""

    async def get(self, role: str) -> RoleRow | None:
        """Return a role, or None."""

    async def find(self, *, limit: int, offset: int) -> tuple[list[RoleRow], int]:
        """Return a page of the roles, by their ids, and how many there are."""

    async def add(self, role: RoleRow) -> bool:
        """Store a new role. Return False if its id is taken."""

    async def change(self, role: str, change: Callable[[RoleRow], RoleRow]) -> RoleRow | None:
        """Change a role. Return the changed role, or None if there is no such role.

        Args:
            change: returns the changed role. It is called with the stored one in the transaction that stores the
                result, perhaps in another thread, and more than once if others change the role at the same time.

        Raises:
            Refused: raised by `change`. Nothing is stored.
        """

    async def remove(self, role: str) -> None:
        """Remove a role; its users get the default one."""

    async def restrict(self, role: str, features: Sequence[str], now: int) -> bool:
        """Restrict features for a role. Return False if there is no such role."""

    async def allow(self, role: str, features: Sequence[str]) -> None:
        """Allow a role to use features again."""

    async def restrictions(self, role: str) -> dict[str, int]:
        """Return the features that a role may not use, each with the time since which, in seconds since 1970."""


class BlockStore(Protocol):
    """Blocks of users by other users."""

    async def blocker_between(self, one: str, other: str) -> str:
        """Return which of two users has blocked the other: `one` if they have, then `other`; "" if neither has."""

    async def add(
        self, uid: str, blocked: Sequence[str], now: int, events: Sequence[Event] = (), device: str = ""
    ) -> int:
        """Store that a user blocks others. Return the number of the change in the change log; 0 if nothing changed."""

    async def remove(self, uid: str, blocked: Sequence[str], events: Sequence[Event] = (), device: str = "") -> int:
        """Remove a user's blocks of others. Return the number of the change in the change log; 0 if nothing changed."""

    async def find(
        self, uid: str, direction: str, *, search: str = "", limit: int = 30, offset: int = 0
    ) -> tuple[list[tuple[str, int | None, int | None]], int]:
        """Return a page of a user's blocks, by the uid of the other user, and how many match.

        Each block has the uid of the other, when the user blocked them, and when they blocked the user: None if not, or
        if that direction was not asked for.

        Args:
            uid: the user.
            direction: `blockedByMe`, `hasBlockedMe` or `both`.
            search: a prefix of the other's name or uid; "" for all.
            limit, offset: the page.
        """

    async def with_users(self, uid: str, others: Sequence[str]) -> dict[str, tuple[int | None, int | None]]:
        """Return the blocks between a user and others, by the uid of the other.

        Each has the times when the user blocked the other, and when the other blocked the user; None if not. Those
        without a block are left out.
        """

    async def blocked_or_blocking(self, uid: str) -> frozenset[str]:
        """Return everyone whom a user has blocked or who has blocked them."""


class FriendStore(Protocol):
    """Friendships between two users."""

    async def add(self, uid: str, friend: str, now: int, limit: int) -> str:
        """Make two users friends.

        Returns:
            "" if they are friends now; `known` if they were already; `full` if one of them has `limit` friends.
        """

    async def remove(self, uid: str, friend: str) -> bool:
        """End a friendship. Return False if there was none."""

    async def of_user(self, uid: str) -> frozenset[str]:
        """Return the friends of a user."""

    async def exists(self, uid: str, friend: str) -> bool:
        """Return whether two users are friends."""
