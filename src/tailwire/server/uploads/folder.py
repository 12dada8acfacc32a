"""Stores files in a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from tailwire.server import private_files
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.uploads import Picture
from tailwire.server.telemetry.logs import log
from tailwire.server.uploads.threads import Full, Threads
from tailwire.server.uploads.thumbnails import make_thumbnail

RETRY_AFTER_SECONDS = 10.0
CHUNK_BYTES = 256 * 1024
HEAD_BYTES = 4096
"""The start of a file, from which its type is determined."""
READ_THREADS, WRITE_THREADS = 4, 2
MAX_PENDING_WRITES, MAX_PENDING_THUMBNAILS = 200, 16


@contextmanager
def _unavailable_on_error() -> Iterator[None]:
    # A full or read-only disk, or no file descriptors: a failure of the server, not of the request.
    try:
        yield
    except OSError as e:
        log.error("a file cannot be stored: %s", e)
        raise _unavailable() from e
    except Full as e:
        raise _unavailable() from e


def _unavailable() -> Refused:
    return Refused("ERR_UNAVAILABLE", "The file was not stored. Try again later.", retry_after=RETRY_AFTER_SECONDS)


class _File:
    """A file that is being written."""

    def __init__(self, folder: Path, name: str, writers: Threads, pictures: Threads) -> None:
        self._folder = folder
        self._path = folder / f".{name}.part"
        self._small = folder / f".{name}-small.part"
        self._writers = writers
        self._pictures = pictures
        with _unavailable_on_error():
            private_files.make_folder(folder)
            self._file: BinaryIO | None = private_files.open_new(self._path)
        self._kept = False
        self.head = b""
        self.size = 0

    def write(self, data: bytes) -> None:
        """Write the next bytes. They go to the page cache, which is too fast to need a thread."""
        if self._file is None:
            raise ValueError("the file is finished")
        if len(self.head) < HEAD_BYTES:
            self.head += data[: HEAD_BYTES - len(self.head)]
        with _unavailable_on_error():
            self._file.write(data)
        self.size += len(data)

    async def finish(self) -> None:
        """Flush the file to the disk."""
        file, self._file = self._file, None
        if file is None:
            raise ValueError("the file is finished")

        def store() -> None:
            with file:
                file.flush()
                os.fsync(file.fileno())

        await self._in_thread(store, file.close)

    async def picture(self) -> Picture | None:
        """Return the size of a picture after making a thumbnail; without a thumbnail if too many are pending."""
        try:
            return await self._pictures.run(partial(make_thumbnail, self._path, self._small))
        except Full:
            with suppress(Full):
                return await self._writers.run(partial(make_thumbnail, self._path, None))
        return None

    async def keep(self, name: str, thumbnail: str | None = None) -> None:
        """Move the file to its final name."""

        def rename() -> None:
            if thumbnail is not None:
                self._small.rename(self._folder / Path(thumbnail).name)
            self._path.rename(self._folder / Path(name).name)
            private_files.sync_folder(self._folder)

        await self._in_thread(rename)
        self._kept = True

    async def _in_thread(self, work: Callable[[], None], otherwise: Callable[[], None] | None = None) -> None:
        try:
            with _unavailable_on_error():
                await self._writers.run(work)
        except Refused:
            if otherwise is not None:
                with suppress(OSError):  # the file is discarded anyway
                    otherwise()
            self.drop()
            raise

    def drop(self) -> None:
        """Discard the file, unless it was kept."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # the file is discarded anyway
                file.close()
        if not self._kept:
            self._path.unlink(missing_ok=True)
            self._small.unlink(missing_ok=True)


class FolderUploads:
    """Stores files in a folder, which is created with the first file.

    Attributes:
        owner: returns the name of this process among those that share the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self.owner: Callable[[], str] = lambda: str(os.getpid())
        # Separate threads, so that downloads wait neither for thumbnails nor for writes.
        self._readers = Threads("downloads", READ_THREADS)
        self._writers = Threads("uploads", WRITE_THREADS, MAX_PENDING_WRITES)
        self._pictures = Threads("pictures", 1, MAX_PENDING_THUMBNAILS, low_priority=True)

    def sweep(self, alive: Collection[str] = ()) -> None:
        """Remove incomplete files of a crash.

        Args:
            alive: the names of other processes that write to the folder, whose files stay.
        """
        if self._folder.exists():
            for incomplete in self._folder.glob(".*.part"):
                if incomplete.name[1:].partition("-")[0] not in alive:
                    incomplete.unlink(missing_ok=True)
            if private_files.is_loose(self._folder):
                private_files.tighten([self._folder, *self._folder.iterdir()])

    def begin(self) -> _File:
        """Start a new file."""
        self._number += 1
        return _File(self._folder, f"{self.owner()}-{self._number}", self._writers, self._pictures)

    def free(self) -> int:
        """Return the free bytes on the disk of the folder."""
        folder = self._folder if self._folder.exists() else self._folder.parent
        return shutil.disk_usage(folder).free

    async def remove(self, names: list[str]) -> None:
        """Delete files."""

        def remove() -> None:
            for name in names:
                (self._folder / Path(name).name).unlink(missing_ok=True)

        with _unavailable_on_error():
            await self._writers.run(remove)

    async def read(self, name: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Yield a range of a file in chunks."""
        with (self._folder / Path(name).name).open("rb") as file:
            file.seek(start)
            while length > 0:
                chunk = await self._readers.run(partial(file.read, min(CHUNK_BYTES, length)))
                if not chunk:
                    return
                length -= len(chunk)
                yield chunk

    async def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        return (self._folder / Path(name).name).stat().st_size

    def close(self) -> None:
        """Stop the threads."""
        for threads in (self._readers, self._writers, self._pictures):
            threads.close()
