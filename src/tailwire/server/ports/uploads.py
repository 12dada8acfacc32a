"""Storage of uploaded files. They are written and read in chunks, so no file is ever held in memory as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Picture:
    """The properties of an uploaded picture.

    Attributes:
        width, height: pixels of the stored picture.
        has_thumbnail: whether a thumbnail was written.
    """

    width: int
    height: int
    has_thumbnail: bool


@dataclass(frozen=True, slots=True)
class DirectFile:
    """A file that a client uploads to the bucket itself, as its form describes it.

    Attributes:
        uid: the user who uploads it.
        name: the name that the client gave it.
        size: how many bytes it may have at most.
    """

    uid: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class ArrivedFile:
    """A file that was uploaded to the bucket.

    Attributes:
        file: the file as its form described it.
        size: how many bytes it has.
        first_bytes: its beginning, from which its type is determined.
    """

    file: DirectFile
    size: int
    first_bytes: bytes


class StoredFile(NamedTuple):
    """A file or a thumbnail in the storage.

    Attributes:
        size: its size in bytes.
        written_at: when it was written, in seconds since 1970.
    """

    name: str
    size: int
    written_at: float


class Sink(Protocol):
    """A file that is being written. Call `write`, then `finish`, perhaps `measure_picture`, then `keep` or `drop`."""

    @property
    def first_bytes(self) -> bytes:
        """The first bytes written so far, up to a fixed number, from which the file's type is determined."""

    @property
    def size(self) -> int:
        """The number of bytes written so far."""

    def write(self, data: bytes) -> None:
        """Write the next bytes. Blocks only briefly.

        Raises:
            Refused: ERR_UNAVAILABLE: the disk is full or fails.
            ValueError: the file is finished or dropped.
        """

    async def finish(self) -> None:
        """Complete the file. No bytes can be written to it from now on.

        If this disk is where files are kept, and not the bucket, the file survives a loss of power afterwards.

        Raises:
            Refused: ERR_UNAVAILABLE: the disk is full or fails, or too many files wait for it. The file is dropped.
            ValueError: the file is finished or dropped.
        """

    async def measure_picture(self) -> Picture | None:
        """Measure a picture, and make a thumbnail unless that needs too much memory or too many pictures wait for it.

        Returns:
            What was measured; None if the file is not a readable picture, or if too many pictures wait to be measured.
        """

    async def keep(self, name: str, thumbnail: str | None = None) -> None:
        """Keep the file under an unused name, and its thumbnail if it has one. It can be read afterwards.

        Args:
            name: the name.
            thumbnail: the unused name for its thumbnail; None if `Picture.has_thumbnail` is False.

        Raises:
            Refused: ERR_UNAVAILABLE: the storage fails.
        """

    def drop(self) -> None:
        """Delete the file and its thumbnail unless they are kept. May be called at any time, and repeatedly."""


class Uploads(Protocol):
    """Storage of uploaded files: a folder, or a bucket of an object storage."""

    def begin(self) -> Sink:
        """Create a new file, and return it for writing. The caller has to call `keep` or `drop` at the end.

        Raises:
            Refused: ERR_UNAVAILABLE: the disk is full or fails.
        """

    def free_bytes(self) -> int:
        """Return the free bytes on the disk on which files arrive, even if they are kept elsewhere."""

    async def remove(self, names: list[str]) -> None:
        """Delete files, ignoring missing ones.

        Raises:
            Refused: ERR_UNAVAILABLE: the storage fails.
        """

    def stored_files(self) -> AsyncIterator[list[StoredFile]]:
        """Yield all files and thumbnails, some at a time, in any order.

        Raises:
            OSError: the storage cannot be read.
        """

    async def missing_names(self, names: list[str]) -> list[str]:
        """Return those of the names that no file has.

        Raises:
            OSError: the storage cannot be read.
        """

    async def remove_incomplete(self) -> None:
        """Remove incomplete files that servers have left that have ended. Those of running servers are not touched."""

    def read(self, name: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Yield a range of a file in chunks.

        Args:
            name: the file.
            start: the offset of the first byte.
            length: how many bytes to yield; fewer if the file ends before.

        Raises:
            FileNotFoundError: there is no file of that name.
            Refused: ERR_UNAVAILABLE: the storage cannot be read.
        """

    async def size(self, name: str) -> int:
        """Return the size of a file in bytes.

        Raises:
            FileNotFoundError: there is no file of that name.
            Refused: ERR_UNAVAILABLE: the storage cannot be read.
        """

    def direct_url(self, name: str, mime_type: str, disposition: str) -> str | None:
        """Return a URL at which clients can download a file for some minutes; None if this server has to serve it.

        Args:
            mime_type, disposition: what the response at the URL says in `content-type` and `content-disposition`.
        """

    def direct_form(self, name: str, file: DirectFile, lifetime: int) -> tuple[str, dict[str, str]] | None:
        """Return a form with which a client can upload a file to the bucket without this server.

        The form is the URL and the fields of a POST request. None if this server has to receive the file.

        Args:
            name: the unused name under which the file will be kept.
            file: what the form permits to upload.
            lifetime: seconds until the form expires.
        """

    async def accept_upload(self, name: str) -> ArrivedFile | None:
        """Copy a file that was uploaded with a form of `direct_form` to its final name.

        The caller has to call `end_direct` when it has accepted or refused the file.

        Args:
            name: the name for which the form was made.

        Returns:
            A description of the copy; None if nothing was uploaded, or that was more than a day ago.

        Raises:
            Refused: ERR_UNAVAILABLE: the bucket fails.
        """

    async def end_direct(self, name: str, lifetime: int) -> None:
        """Remove what was uploaded with a form, after it was copied or refused. A failure is only logged.

        The form may be used again until it expires. So what was uploaded is removed a second time after that.

        Args:
            name: the name for which the form was made.
            lifetime: seconds after which the form has certainly expired.
        """

    async def close(self) -> None:
        """Wait for a few seconds until files that are being stored are complete, and release everything."""
