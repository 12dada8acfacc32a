"""Who is online: at this process, and at the others that share its store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol


class State(IntEnum):
    """Whether a user is online, over all processes. A user is away if they are so at every process with their apps."""

    OFFLINE = 0
    AWAY = 1
    ONLINE = 2


class Transition(NamedTuple):
    """The state of a user before and after a change at this process."""

    before: State
    after: State


class Presence(Protocol):
    """Who is online at other processes, and what a change at this process means."""

    async def record_change(self, uid: str) -> Transition:
        """Record that a user came online, went offline or is away at this process; return what that means for all.

        Changes of a user that are stored together have one transition.
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
        transitions: in the order of the users.
    """

    process: int
    version: int
    transitions: Sequence[Transition]


class ProcessUsers(NamedTuple):
    """The users who are online at a process.

    Attributes:
        away: whether each user is away there, by uid.
    """

    version: int
    away: Mapping[str, bool]


class PresenceTable(Protocol):
    """Who is online at which process, in the store."""

    async def store_online(self, users: Sequence[LocalPresence]) -> StoredPresence:
        """Store which users are online at this process.

        Calls follow one another. One that was refused may still be stored, but not after a later one.

        Raises:
            Refused: ERR_UNAVAILABLE.
        """

    async def versions(self) -> tuple[int, dict[int, int]]:
        """Return the id of this process, and the version of each process that has stored any users.

        Raises:
            Refused: ERR_UNAVAILABLE.
        """

    async def users_of(self, process: int) -> ProcessUsers | None:
        """Return the users of a process; None if it has stored none.

        Raises:
            Refused: ERR_UNAVAILABLE.
        """
