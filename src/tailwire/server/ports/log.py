"""The log of the store: messages and changes in the order of their ids, as all processes see them.

Messages and changes of rows that processes keep in memory (see `ports.changes`) have ids from the same sequence. The
change log (`ports.change_log`) is another thing: its entries have numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tailwire.server.ports.change_log import ChangeRow
from tailwire.server.ports.changes import Change
from tailwire.server.ports.records import MessageRow


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """A message as it is in the store now, for sockets that have not received its frame.

    Attributes:
        predecessor_id, membership_end: as in `records.Stored`.
        quoted: the message that it quotes; None if it quotes none, or that no longer exists.
        member: for a message that announces that a user joined or left a group, the uid of this user, who receives it
            too; "" for other messages.
        withheld: uids of users who must not receive it: they may have left the group before it was last edited, and its
            earlier content is not stored.
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
        holds: for a change of kind `member`: True if the user joined the group, though they may have left it since;
            False if they left. True for other kinds.
    """

    change: Change
    holds: bool = True


@dataclass(frozen=True, slots=True)
class LogPage:
    """A part of the log, from the id that was asked for.

    Attributes:
        up_to: the id up to which the part is complete.
        messages, changes: those of the part, in the order of their ids.
    """

    up_to: int
    messages: Sequence[LoggedMessage] = ()
    changes: Sequence[LoggedChange] = ()


class Look(NamedTuple):
    """The state of the log at one time.

    Attributes:
        highest: the highest id of a committed message or change; 0 if there is none.
        oldest_change: the lowest id of a change that is still stored (they are deleted after a while); 0 if there is
            none.
        processes: how many server processes use the store, including this one.
        newest_change: the highest number of an entry of the change log, including removed ones.
    """

    highest: int
    oldest_change: int
    processes: int
    newest_change: int = 0


class LogReader(Protocol):
    """Reads the log from the store. What reads raises `Refused` with ERR_UNAVAILABLE if the database cannot be used."""

    async def look(self) -> Look:
        """Return the state of the log now."""

    def record_given_out(self, number: int) -> None:
        """Record that others have given out ids up to `number`, so that an older copy of the store is noticed."""

    async def read(self, after: int, up_to: int) -> LogPage:
        """Return messages and changes with ids in (after, up_to].

        If there are many, only the first ones are returned; `LogPage.up_to` says how far they go.

        Args:
            after: the id up to which the log is known.
            up_to: an id that is known to be committed.
        """

    async def changes(self, after: int, up_to: int) -> tuple[list[ChangeRow], int]:
        """Return entries of the change log with numbers in (after, up_to], in the order of their numbers.

        If there are many, only the first ones are returned. Entries for ended memberships are left out.

        Returns:
            The entries, and the number up to which they are complete.
        """

    async def receivers(self, number: int, uids: Sequence[str]) -> list[tuple[str, int | None]]:
        """Return which of the given users may receive an entry of the change log.

        Args:
            number: the number of the entry. If it no longer exists, nobody is returned.
            uids: the users. For an entry that does not concern a group, all of them are returned.

        Returns:
            Each uid with None, or, if the user has left the group since, with the id of the last message that they may
            receive there (as `ChangeRow.until_id`).
        """


class Batch(NamedTuple):
    """The writes that this process has committed in one transaction.

    Attributes:
        first, last: the lowest and the highest id that it has taken, for messages and for changes.
        ids: the ids of its new messages. The coroutines that stored them publish them as soon as they continue.
        changes: its changes of rows that processes keep in memory.
    """

    first: int
    last: int
    ids: Sequence[int]
    changes: tuple[Change, ...] = ()


class BatchObserver(Protocol):
    """Is called for each transaction that this process commits."""

    def committed(self, batch: Batch) -> None:
        """Handle a commit. Called before the coroutines that wait for its writes continue."""

    def answered(self) -> None:
        """Handle the end of a commit: its results were set, so the coroutines that wait for them continue in the next
        turn of the event loop."""
