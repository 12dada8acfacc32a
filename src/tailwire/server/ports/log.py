"""The log: stored messages and changes in the order of their ids, as all processes see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tailwire.server.ports.change_log import ChangeRow
from tailwire.server.ports.changes import Change
from tailwire.server.ports.records import MessageRow


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """A message that was read from the store.

    Attributes:
        predecessor_id, ended: as in `records.Stored`.
        quoted: the message that it quotes, if that still exists.
        member: the user whose joining or leaving it announces, who receives it too; "" for nobody.
        withheld: users who may have left the group before its present content was written.
    """

    row: MessageRow
    predecessor_id: int = 0
    quoted: MessageRow | None = None
    member: str = ""
    withheld: frozenset[str] = frozenset()
    ended: int = 0


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """A change that was read from the store.

    Attributes:
        holds: for a `member` change: whether it made the user a member. They may have left since.
    """

    change: Change
    holds: bool = True


@dataclass(frozen=True, slots=True)
class LogPage:
    """A part of the log.

    Attributes:
        up_to: the part is complete up to this id.
    """

    up_to: int
    messages: Sequence[LoggedMessage] = ()
    changes: Sequence[LoggedChange] = ()


class Look(NamedTuple):
    """The state of the log at one time.

    Attributes:
        highest: the highest id that is committed.
        oldest_change: the lowest id of a change that is still kept; 0 if there is none.
        processes: how many server processes use the store.
        newest_change: the highest number that was given out in the change log.
    """

    highest: int
    oldest_change: int
    processes: int
    newest_change: int = 0


class LogReader(Protocol):
    """Reads the log from the store."""

    async def look(self) -> Look:
        """Return the state of the log now."""

    async def read(self, after: int, up_to: int) -> LogPage:
        """Return the beginning of the log after an id, up to an id that is known to be committed."""

    async def changes(self, after: int, up_to: int) -> tuple[list[ChangeRow], int]:
        """Return the first entries of the change log after a number, and the number up to which they are complete."""

    async def receivers(self, number: int, uids: Sequence[str]) -> list[tuple[str, int | None]]:
        """Return which of the given users may receive an entry of the change log; none if it no longer exists.

        Each comes with None, or with the end of their membership (`ChangeRow.until_id`).
        """


class Batch(NamedTuple):
    """The writes that a process has committed in one transaction.

    Attributes:
        first, last: the lowest and the highest id, including ids that no message has.
        ids: the ids of its new messages. Their publications follow in this turn of the event loop.
    """

    first: int
    last: int
    ids: Sequence[int]
    changes: tuple[Change, ...] = ()


class BatchObserver(Protocol):
    """The observer of the commits of this process."""

    def committed(self, batch: Batch) -> None:
        """Record a commit, before its callers continue."""

    def answered(self) -> None:
        """Record that the callers of a commit continue in this turn of the event loop."""
