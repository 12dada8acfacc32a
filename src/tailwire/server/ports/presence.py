"""Who is online: at this process, and at the others that share its store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol


class State(IntEnum):
    """The state of a user over all processes.

    They are online if they are so at any process, and away if all their apps, at all processes, are in the background.
    """

    OFFLINE = 0
    AWAY = 1
    ONLINE = 2


class Transition(NamedTuple):
    """The state of a user, over all processes, before and after a change at this process."""

    before: State
    after: State


class Presence(Protocol):
    """Who is online at other processes, and what a change at this process means."""

    async def record_change(self, uid: str) -> Transition:
        """Record that a user came online, went offline, went away or came back at this process.

        Returns:
            What that means over all processes. Changes of a user that are stored together have one transition.
        """

    def is_online_elsewhere(self, uid: str) -> bool:
        """Return whether a user is online at another process."""

    def online_elsewhere(self) -> Collection[str]:
        """Return the users who are online at other processes."""


class LocalPresence(NamedTuple):
    """The state of a user at this process."""

    uid: str
    online: bool
    away: bool


class StoredPresence(NamedTuple):
    """The result of storing users of this process.

    Attributes:
        process: the id of this process.
        version: increases by 1 each time; by more after the table was emptied.
        transitions: one for each user that was passed, in the same order.
    """

    process: int
    version: int
    transitions: Sequence[Transition]


class ProcessUsers(NamedTuple):
    """The users who are online at a process.

    Attributes:
        version: the version of the last change that it has stored.
        away: for each of these users, by uid, whether they are away there.
    """

    version: int
    away: Mapping[str, bool]


class PresenceTable(Protocol):
    """Who is online at which process, in the store."""

    async def store_online(self, users: Sequence[LocalPresence]) -> StoredPresence:
        """Store whether the given users are online or away at this process. Others stay as they are stored.

        Call it again only when the last call has ended. A call that was refused may have been stored nevertheless, but
        it is never stored after a later one.

        Raises:
            Refused: ERR_UNAVAILABLE: the database cannot be used.
        """

    async def versions(self) -> tuple[int, dict[int, int]]:
        """Return the id of this process, and the version of each process that has stored any users.

        Raises:
            Refused: ERR_UNAVAILABLE: the database cannot be used.
        """

    async def users_of(self, process: int) -> ProcessUsers | None:
        """Return the users who are online at a process; None if it has never stored any.

        Raises:
            Refused: ERR_UNAVAILABLE: the database cannot be used.
        """
