"""Who is online: at this process, and at the others that share its store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol


class State(IntEnum):
    """The state of a user over all processes.

    OFFLINE: online at no process. AWAY: online at some process, but all their apps, at all processes, are in the
    background. ONLINE: online at some process, with an app in the foreground.
    """

    OFFLINE = 0
    AWAY = 1
    ONLINE = 2


class Transition(NamedTuple):
    """The state of a user, over all processes, before and after a change at this process."""

    before: State
    after: State


class Presence(Protocol):
    """Tells who is online at other processes, and reports this process's changes to them."""

    async def record_change(self, uid: str) -> Transition:
        """Record that a user came online, went offline, went away or came back at this process.

        Returns:
            The user's state over all processes before and after this. If several calls for a user are handled
            together, all return the same.
        """

    def is_online_elsewhere(self, uid: str) -> bool:
        """Return whether a user is online at another process."""

    def online_elsewhere(self) -> Collection[str]:
        """Return the users who are online at other processes."""


class LocalPresence(NamedTuple):
    """The state of a user at this process.

    Attributes:
        away: whether all their apps here are in the background.
    """

    uid: str
    online: bool
    away: bool


class StoredPresence(NamedTuple):
    """The result of `PresenceTable.store_online`.

    Attributes:
        process: the id of this process.
        version: higher by 1 than after the previous call. If it is not, a crash of the database has emptied the table
            meanwhile, and all users have to be stored again.
        transitions: for each user that was passed, in the same order, their state before and after the call.
    """

    process: int
    version: int
    transitions: Sequence[Transition]


class ProcessUsers(NamedTuple):
    """The users who are online at a process.

    Attributes:
        version: the `StoredPresence.version` of the last change that the process has stored.
        away: for each of these users, by uid, whether all their apps there are in the background.
    """

    version: int
    away: Mapping[str, bool]


class PresenceTable(Protocol):
    """The table in the store that tells who is online at which process."""

    async def store_online(self, users: Sequence[LocalPresence]) -> StoredPresence:
        """Store the states of the given users at this process. Other users keep their stored states.

        Calls must not overlap. A call that raised `Refused` may have been stored nevertheless, but it does not
        overwrite what a later call has stored.

        Raises:
            Refused: ERR_UNAVAILABLE: the database cannot be used.
        """

    async def versions(self) -> tuple[int, dict[int, int]]:
        """Return the id of this process, and for each process that has stored users its newest version, by its id.

        Raises:
            Refused: ERR_UNAVAILABLE: the database cannot be used.
        """

    async def users_of(self, process: int) -> ProcessUsers | None:
        """Return the users who are online at a process; None if the table does not know the process.

        Raises:
            Refused: ERR_UNAVAILABLE: the database cannot be used.
        """
