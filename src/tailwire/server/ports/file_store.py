"""Records of uploaded files, and the cleanup that deletions leave to be done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tailwire.server.ports.form_records import FormLimits, FormResult, FormRow
from tailwire.server.ports.records import FileResult, FileRow


class FileStore(Protocol):
    """Records of uploaded files and of what refers to them. The bytes are kept by `Uploads`."""

    async def add(self, file: FileRow, quota: int = 0, since: int = 0, *, by_user: bool = False) -> FileResult:
        """Store the record of a new file, if that is permitted. The result says whether it was.

        Args:
            file: the record.
            quota: bytes that the user may have uploaded after `since`, including this file; 0 for no limit.
            since: seconds since 1970.
            by_user: whether a user uploads the file, so that it is refused if they have been deleted meanwhile.
        """

    async def issue_forms(self, forms: Sequence[FormRow], limits: FormLimits) -> FormResult:
        """Store forms of one user, all or none, within the limits. The result says whether they were stored."""

    async def close_form(self, name: str) -> None:
        """Store that the file of a form was refused, so that the form no longer counts as open.

        Args:
            name: the name of the file. Without such a form, nothing happens.
        """

    async def get(self, name: str) -> FileRow | None:
        """Return the record of a file, or None. Condemned files are not found."""

    async def of_user(self, uid: str) -> list[FileRow]:
        """Return all files that a user has uploaded, oldest first, including condemned ones."""

    async def bytes_uploaded(self, uid: str, since: int) -> int:
        """Return the bytes of the files that a user uploaded after a time, as far as they have not been removed."""

    async def condemn(self, *, never_before: int, no_more_before: int, limit: int) -> list[FileRow]:
        """Mark unreferenced files for removal. A marked file is not found, and nothing can refer to it again.

        Args:
            never_before: mark files that were never referenced and were added by then, in seconds since 1970.
            no_more_before: mark files that lost their last reference by then, in seconds since 1970.
            limit: how many files of each sort to mark, and how many to return.

        Returns:
            Marked files, including those that were marked by earlier calls.
        """

    async def discard(self, names: Sequence[str]) -> None:
        """Mark files for removal that will not be used. Those that something has referred to are not marked."""

    async def unused_since(self) -> tuple[int | None, int | None]:
        """Return since when files have been unused, in seconds since 1970.

        Returns:
            When the oldest of the files that were never referenced was added, and when the first of the others lost its
            last reference; None without such files.
        """

    async def remove(self, names: Sequence[str], now: int, kept_seconds: int) -> None:
        """Remove the records of marked files whose bytes are gone. Their names alone are kept for a while.

        Args:
            names: the files.
            now: the time, in seconds since 1970.
            kept_seconds: how long the names alone are kept, so that `add` refuses them. Older ones are removed too.
        """


class ChoreStore(Protocol):
    """Cleanup after deletions, done in small steps between other writes."""

    def on_added(self, call: Callable[[], None]) -> None:
        """Set the function that is called after a commit that may have left something to clean up.

        That is each commit that added a chore or a file, or in which a file may have lost its last reference.
        """

    async def do_next(self) -> bool:
        """Do one step of the chore that is due first. Return False if none is due."""

    async def next_due(self) -> int | None:
        """Return when the next chore is due, in seconds since 1970, or None if there is none."""
