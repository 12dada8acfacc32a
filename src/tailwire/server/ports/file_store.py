"""Records of uploaded files, and the cleanup that is done after deletions.

`ports.store` tells what all methods can raise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tailwire.server.ports.file_records import FileResult, FileRow
from tailwire.server.ports.form_records import FormLimits, FormResult, FormRow


class FileStore(Protocol):
    """Records of uploaded files and of what refers to them. The bytes are kept by `Uploads`."""

    async def add(self, file: FileRow, quota: int = 0, since: int = 0, *, by_user: bool = False) -> FileResult:
        """Store the record of a new file, unless the result says why it was not stored.

        Args:
            file: the record.
            quota: bytes that the user may have uploaded after `since`, including this file; 0 for no limit.
            since: the time from which uploads count for the quota, in seconds since 1970.
            by_user: whether a user uploads the file. If they no longer exist, it is not stored.
        """

    async def issue_forms(self, forms: Sequence[FormRow], limits: FormLimits) -> FormResult:
        """Store at least one new form, all or none. The result says whether they were stored.

        Args:
            forms: forms of one user.
            limits: if the forms would exceed them, none is stored.
        """

    async def has_form(self, name: str, since: int) -> bool:
        """Return whether a form for the file of a name was issued after a time, open or not.

        Args:
            name: the name of the file.
            since: the time, in seconds since 1970.
        """

    async def close_form(self, name: str) -> None:
        """Store that the file of a form was refused, so that the form no longer counts as open.

        Args:
            name: the name of the file. Without such a form, nothing happens.
        """

    async def get(self, name: str) -> FileRow | None:
        """Return the record of a file; None if there is none, or the file is marked for removal (see `condemn`)."""

    async def of_user(self, uid: str) -> list[FileRow]:
        """Return all files that a user has uploaded, oldest first, including those that are marked for removal."""

    async def bytes_uploaded(self, uid: str, since: int) -> int:
        """Return the total size of the files that a user uploaded after a time and whose records are not removed.

        Args:
            since: the time, in seconds since 1970.
        """

    async def condemn(self, *, never_used_added_until: int, last_used_until: int, limit: int) -> list[FileRow]:
        """Mark unreferenced files for removal, and return files to remove.

        A marked file is not found by `get`, and nothing can refer to it again. The caller deletes the bytes, and then
        calls `remove`. Messages and the properties of users and groups can refer to a file.

        Args:
            never_used_added_until: mark files that nothing ever referred to and that were added at or before this time,
                in seconds since 1970.
            last_used_until: mark files that lost their last reference at or before this time, in seconds since 1970.
            limit: how many files of each of the two sorts to mark at most, and how many to return at most.

        Returns:
            Marked files in any order, including those that earlier calls have marked.
        """

    async def discard(self, names: Sequence[str]) -> None:
        """Mark files for removal at once, except those that something refers to or has ever referred to."""

    async def unused_since(self) -> tuple[int | None, int | None]:
        """Return how long unreferenced files have waited to be marked by `condemn`.

        Returns:
            The time at which the oldest file was added to which nothing ever referred, and the earliest time at which
            another file lost its last reference, in seconds since 1970; each None if there is no such file.
        """

    async def remove(self, names: Sequence[str], now: int, kept_seconds: int) -> None:
        """Erase the records of marked files whose bytes have been deleted, except for their names.

        Also delete the names that earlier calls have left, once they were kept long enough.

        Args:
            names: the files.
            now: the time, in seconds since 1970.
            kept_seconds: how long a name is kept, so that `add` does not store a file of that name again.
        """


class ChoreStore(Protocol):
    """Chores: stored tasks that erase what is left of deleted users and messages.

    They are done in small steps between other writes. A chore is stored in the transaction of the deletion, so that it
    is done even after a crash.
    """

    def on_added(self, call: Callable[[], None]) -> None:
        """Set the function that is called after each commit that may have left something to clean up.

        That is each commit that added a chore or a file, or in which a file may have lost its last reference.
        """

    async def do_next(self) -> bool:
        """Do one step of the chore that has been due for longest. Return False, doing nothing, if none is due."""

    async def next_due(self) -> int | None:
        """Return when the next chore is due, in seconds since 1970, or None if there is none."""
