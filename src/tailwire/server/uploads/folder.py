"""Files in a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
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

COME_BACK = 10.0
PIECE = 256 * 1024
HEAD = 4096
READERS, WRITERS = 4, 2
MAX_WRITES, MAX_PICTURES = 200, 16


@contextmanager
def _told() -> Iterator[None]:
    # A disk that is full or read-only, or no descriptors left: not the fault of whoever uploads.
    try:
        yield
    except OSError as e:
        log.error("a file cannot be stored: %s", e)
        raise _later() from e
    except Full as e:
        raise _later() from e


def _later() -> Refused:
    return Refused("ERR_UNAVAILABLE", "The file was not stored. Try again later.", retry_after=COME_BACK)


class _File:
    """A file that is being written."""

    def __init__(self, folder: Path, number: int, writers: Threads, pictures: Threads) -> None:
        self._folder = folder
        self._path = folder / f".{os.getpid()}-{number}.part"
        self._small = folder / f".{os.getpid()}-{number}-small.part"
        self._writers = writers
        self._pictures = pictures
        with _told():
            private_files.make_folder(folder)
            self._file: BinaryIO | None = private_files.open_new(self._path)
        self._kept = False
        self.head = b""
        self.size = 0

    def write(self, data: bytes) -> None:
        """Write the next bytes: into the system's cache, which takes no time worth a thread."""
        if self._file is None:
            raise ValueError("the file is finished")
        if len(self.head) < HEAD:
            self.head += data[: HEAD - len(self.head)]
        with _told():
            self._file.write(data)
        self.size += len(data)

    async def finish(self) -> None:
        """Bring all of it to the disk."""
        file, self._file = self._file, None
        if file is None:
            raise ValueError("the file is finished")

        def store() -> None:
            with file:
                file.flush()
                os.fsync(file.fileno())

        await self._in_thread(store, file.close)

    async def picture(self) -> Picture | None:
        """Measure it as a picture and make a small copy, unless too many wait for theirs."""
        try:
            return await self._pictures.run(partial(make_thumbnail, self._path, self._small))
        except Full:
            with suppress(Full):
                return await self._writers.run(partial(make_thumbnail, self._path, None))
        return None

    async def keep(self, name: str, thumbnail: str | None = None) -> None:
        """Keep it under a name."""

        def rename() -> None:
            if thumbnail is not None:
                self._small.rename(self._folder / Path(thumbnail).name)
            self._path.rename(self._folder / Path(name).name)
            private_files.sync_folder(self._folder)

        await self._in_thread(rename)
        self._kept = True

    async def _in_thread(self, work: Callable[[], None], otherwise: Callable[[], None] | None = None) -> None:
        try:
            with _told():
                await self._writers.run(work)
        except Refused:
            if otherwise is not None:
                with suppress(OSError):  # what could not be written is not wanted any more
                    otherwise()
            self.drop()
            raise

    def drop(self) -> None:
        """Forget it."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # what could not be written is not wanted any more
                file.close()
        if not self._kept:
            self._path.unlink(missing_ok=True)
            self._small.unlink(missing_ok=True)


class FolderUploads:
    """The place. The folder is made with the first file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        # Threads of their own: a download waits neither for thumbnails nor for the disk that takes an upload.
        self._readers = Threads("downloads", READERS)
        self._writers = Threads("uploads", WRITERS, MAX_WRITES)
        self._pictures = Threads("pictures", 1, MAX_PICTURES, patient=True)

    def sweep(self) -> None:
        """Remove what was half written before a crash. Only the one server of the folder may: others write into it."""
        if self._folder.exists():
            for left in self._folder.glob(".*.part"):
                left.unlink(missing_ok=True)
            if private_files.is_loose(self._folder):
                private_files.tighten([self._folder, *self._folder.iterdir()])

    def begin(self) -> _File:
        """Begin a new file."""
        self._number += 1
        return _File(self._folder, self._number, self._writers, self._pictures)

    def free(self) -> int:
        """Return the bytes that are free on the folder's disk."""
        folder = self._folder if self._folder.exists() else self._folder.parent
        return shutil.disk_usage(folder).free

    async def remove(self, names: list[str]) -> None:
        """Forget files."""

        def remove() -> None:
            for name in names:
                (self._folder / Path(name).name).unlink(missing_ok=True)

        with _told():
            await self._writers.run(remove)

    async def read(self, name: str, start: int, length: int) -> AsyncIterator[bytes]:
        """A part of a file, in pieces."""
        with (self._folder / Path(name).name).open("rb") as file:
            file.seek(start)
            while length > 0:
                piece = await self._readers.run(partial(file.read, min(PIECE, length)))
                if not piece:
                    return
                length -= len(piece)
                yield piece

    async def size(self, name: str) -> int:
        """The bytes of a file."""
        return (self._folder / Path(name).name).stat().st_size

    def close(self) -> None:
        """End the threads."""
        for threads in (self._readers, self._writers, self._pictures):
            threads.close()
