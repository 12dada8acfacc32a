"""Removal of messages and files because of their age, in small steps between other writes.

`ports.store` tells what all methods can raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class OldCounts(NamedTuple):
    """The numbers of messages and files that are older than a given time.

    Attributes:
        bytes: the total size of the files.
    """

    messages: int
    files: int
    bytes: int


class PruningStore(Protocol):
    """Removes old messages and files, and finds files that differ between the store and the storage.

    A caller removes messages by calling `remove_messages` until nothing is left to remove, and then `end`.
    """

    async def remove_messages(self, before: int, limit: int, after: int = 0) -> int:
        """Remove messages that were sent at or before a time, with all that belongs to them.

        Args:
            before: the time, in seconds since 1970.
            limit: how many messages to examine: those with the lowest ids.
            after: examine only messages above this id.

        Returns:
            The number of removed messages; 0 if none of those examined is old enough.
        """

    async def newer_until(self, before: int, limit: int, after: int) -> int:
        """Return the id up to which no message was sent at or before a time, although a later one may have been.

        While the clock of the server was wrong, messages got a time in the future: they are newer than those after
        them.

        Args:
            before: the time, in seconds since 1970.
            limit: how many messages to examine at most: those with the lowest ids above `after`.
            after: the id after which to begin.

        Returns:
            The id of the last message before the first one that is old enough, or of the last one examined; `after` if
            there is none.
        """

    async def first_old(self, after: int, until: int) -> tuple[int, int] | None:
        """Return the id and the time of the message that was sent first, in seconds since 1970; None if there is none.

        Args:
            after: only messages above this id.
            until: only messages up to this id, which should be few.
        """

    async def end(self) -> None:
        """Delete the entries of the change log that concern removed messages. Call it after the last removal.

        Also see to it that the words of these messages are erased from the search index, perhaps later by a chore.
        """

    async def condemn_files(self, before: int, limit: int) -> int:
        """Mark files that were uploaded at or before a time for removal, even if messages refer to them.

        Files that users or groups refer to, such as their pictures, are not marked.

        Args:
            before: the time, in seconds since 1970.
            limit: how many files to mark at most: the oldest ones.

        Returns:
            The number of marked files.
        """

    async def oldest_times(self) -> tuple[int | None, int | None]:
        """Return when the oldest message was sent, and when the oldest file was uploaded, in seconds since 1970.

        Each is None if there is none.
        """

    async def count(self, messages_before: int, files_before: int) -> OldCounts:
        """Return how much `remove_messages` and `condemn_files` would remove in all. May take long.

        Args:
            messages_before, files_before: the times for the two, in seconds since 1970.
        """

    async def files_after(self, name: str, uploaded_before: int, limit: int) -> list[str]:
        """Return names of files that were uploaded at or before a time, sorted.

        Files that are marked for removal are left out.

        Args:
            name: only names after this one in the order; "" to begin.
            uploaded_before: the time, in seconds since 1970.
            limit: how many names to return at most.
        """

    async def count_unused(self, uploaded_before: int) -> OldCounts:
        """Return the number and size of the files uploaded at or before a time to which nothing ever referred.

        The number of messages is 0. May take long.

        Args:
            uploaded_before: the time, in seconds since 1970.
        """

    async def recorded_names(self, stems: Sequence[str]) -> list[bool]:
        """Return, for each of the file names without their extensions, whether there is a record of such a file."""

    async def condemn(self, names: Sequence[str]) -> None:
        """Mark files for removal, and delete all references to them."""

    async def pruned_until(self, reader: str, after: int) -> int:
        """Return the id up to which a user has missed messages for good, because they were removed for their age.

        Args:
            reader: the user.
            after: the id up to which they have received everything.

        Returns:
            The highest id above `after` of a removed message of their conversations; 0 if there is none.
        """
