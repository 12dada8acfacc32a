"""Removal of messages and files because of their age, in small steps between other writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class OldCounts(NamedTuple):
    """The numbers of messages and files that are older than a given time.

    Attributes:
        bytes: the size of the files.
    """

    messages: int
    files: int
    bytes: int


class PruningStore(Protocol):
    """Removes what is old. Messages are removed in the order of their ids."""

    async def remove_messages(self, before: int, limit: int) -> int:
        """Remove messages that were sent at or before a time, with all that belongs to them.

        Args:
            before: the time, in seconds since 1970.
            limit: how many messages to examine, from the oldest on.

        Returns:
            The number of removed messages.
        """

    async def end(self) -> None:
        """Delete, after the last step, what the change log has of removed messages, and the rest of their words.

        The words may remain in the search index until a chore has erased them.
        """

    async def condemn_files(self, before: int, limit: int) -> int:
        """Mark files that were uploaded at or before a time for removal, whether messages refer to them or not.

        Pictures that users and groups still have are not marked.

        Returns:
            The number of marked files, at most `limit`.
        """

    async def oldest_times(self) -> tuple[int | None, int | None]:
        """Return when the oldest message was sent, and when the oldest file was uploaded; None if there is none."""

    async def count(self, messages_before: int, files_before: int) -> OldCounts:
        """Return how much `remove_messages` and `condemn_files` would remove. May take long."""

    async def files_after(self, name: str, uploaded_before: int, limit: int) -> list[str]:
        """Return names of files that were uploaded at or before a time, in the order of the names.

        Files that are marked for removal are left out.

        Args:
            name: only names after this one; "" to begin.
            uploaded_before: the time, in seconds since 1970.
            limit: how many names to return at most.
        """

    async def count_unused(self, uploaded_before: int) -> OldCounts:
        """Return how many of the files uploaded at or before a time were never referred to. May take long."""

    async def recorded_names(self, stems: Sequence[str]) -> list[bool]:
        """Return, for each of the names without extension, whether there is a record of such a file."""

    async def condemn(self, names: Sequence[str]) -> None:
        """Mark files for removal, whatever refers to them."""

    async def pruned_until(self, reader: str, after: int) -> int:
        """Return the highest id of a pruned message that a user may not have received; 0 if there is none.

        Args:
            reader: the user.
            after: the id up to which they have received everything.
        """
