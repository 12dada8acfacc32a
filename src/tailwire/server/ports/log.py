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
        predecessor_id, membership_end: as in `records.Stored`.
        quoted: the message that it quotes, if that still exists.
        member: the user whose joining or leaving it announces, who receives it too; "" for nobody.
        withheld: users who may have left the group before its present content was written, so that they do not receive
            it.
    """

    row: MessageRow
    predecessor_id: int = 0
    quoted: MessageRow | None = None
    member: str = ""
    withheld: frozenset[str] = frozenset()
    membership_end: int = 0


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """A change that was read from the store.

    Attributes:
        holds: for a `member` change: whether the user became a member, rather than left. They may have left since.
    """

    change: Change
    holds: bool = True


@dataclass(frozen=True, slots=True)
class LogPage:
    """A part of the log.

    Attributes:
        up_to: the id up to which the part is complete.
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
        """Return the log after an id, up to another that is known to be committed, or only the first part of it."""

    async def changes(self, after: int, up_to: int) -> tuple[list[ChangeRow], int]:
        """Return entries of the change log, and the number up to which they are complete.

        Args:
            after, up_to: only entries with a number in (after, up_to], or the first of them.
        """

    async def receivers(self, number: int, uids: Sequence[str]) -> list[tuple[str, int | None]]:
        """Return which of the given users may receive an entry of the change log; none if it no longer exists.

        Each comes with None, or with the end of their membership (`ChangeRow.until_id`).
        """


class Batch(NamedTuple):
    """The writes that this process has committed in one transaction.

    Attributes:
        first, last: the lowest and the highest id, including ids that no message has.
        ids: the ids of its new messages, which are published in the same turn of the event loop.
        changes: the changes of rows that processes keep in memory.
    """

    first: int
    last: int
    ids: Sequence[int]
    changes: tuple[Change, ...] = ()


class BatchObserver(Protocol):
    """The observer of the commits of this process."""

    def committed(self, batch: Batch) -> None:
        """Record a commit. Called before those who wait for its writes continue."""

    def answered(self) -> None:
        """Record that those who wait for the writes of a commit continue in this turn of the event loop."""
