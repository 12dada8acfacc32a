"""Stores uploaded files in a folder of this machine."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

from tailwire.server import private_files
from tailwire.server.ports.uploads import ArrivedFile, DirectFile, StoredFile
from tailwire.server.uploads.part_files import PartFile, PartFolder, unavailable_on_error
from tailwire.server.uploads.threads import Threads

CHUNK_BYTES = 256 * 1024
FILES_PER_BATCH = 500
FILE_NAME = re.compile(r"[0-9a-f]{40}(-small\.jpg|\.[a-z0-9]{1,10})?")
"""Matches the names of stored files and thumbnails. A file with another name was not stored by a server."""
READ_THREADS = 4


class _File(PartFile):
    """A file that is being written, and is kept in the same folder when it is complete."""

    async def keep(self, name: str, thumbnail: str | None = None) -> None:
        """Rename the file and its thumbnail to their final names.

        Args:
            name: the name of the file.
            thumbnail: the name of its thumbnail; None if there is none.

        Raises:
            Refused: ERR_UNAVAILABLE, the disk fails or too many writes wait. The file is discarded.
        """
        folder = self._folder.path

        def rename() -> None:
            if thumbnail is not None:
                self._thumbnail_path.rename(folder / Path(thumbnail).name)
            self._path.rename(folder / Path(name).name)
            private_files.sync_folder(folder)

        await self._run_in_thread(rename)
        self._kept = True


def _stored_files(entries: list[os.DirEntry[str]]) -> list[StoredFile]:
    found = []
    for entry in entries:
        with suppress(FileNotFoundError):  # removed meanwhile
            if FILE_NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                found.append(StoredFile(entry.name, status.st_size, status.st_mtime))
    return found


def _is_missing(path: Path) -> bool:
    # `Path.exists` of newer versions of Python also returns False if the file system fails, or denies access.
    try:
        path.stat()
    except FileNotFoundError:
        return True
    return False


class FolderUploads:
    """`ports.uploads.Uploads` in a folder, which is created with the first file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts = PartFolder(folder)
        # Separate threads, so that downloads wait neither for thumbnails nor for writes.
        self._readers = Threads("downloads", READ_THREADS)

    async def remove_incomplete(self) -> None:
        """Remove incomplete files of processes that have ended. Blocks the event loop for as long as that takes."""
        self._parts.sweep()

    def begin(self) -> _File:
        """Create a new incomplete file, to which the caller writes.

        Raises:
            Refused: ERR_UNAVAILABLE, the file cannot be created now.
        """
        return _File(self._parts)

    def free_bytes(self) -> int:
        """Return the free bytes on the disk of the folder."""
        return free_bytes(self._folder)

    async def remove(self, names: list[str]) -> None:
        """Delete files, ignoring missing ones.

        Raises:
            Refused: ERR_UNAVAILABLE, the disk fails or too many writes wait.
        """

        def remove() -> None:
            for name in names:
                (self._folder / Path(name).name).unlink(missing_ok=True)

        with unavailable_on_error("removed"):
            await self._parts.writers.run(remove)

    async def stored_files(self) -> AsyncIterator[list[StoredFile]]:
        """Yield all files and thumbnails, some at a time, in any order. Other files in the folder are left out."""
        try:
            entries = os.scandir(self._folder)
        except FileNotFoundError:
            return
        with entries:
            while batch := await self._readers.run(lambda: list(islice(entries, FILES_PER_BATCH))):
                yield await self._readers.run(partial(_stored_files, batch))

    async def missing_names(self, names: list[str]) -> list[str]:
        """Return those of the names that have no file."""
        return await self._readers.run(lambda: [n for n in names if _is_missing(self._folder / Path(n).name)])

    async def read(self, name: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Yield `length` bytes of a file from the offset `start` on, in chunks; fewer if the file ends before.

        Raises:
            FileNotFoundError: there is no such file.
        """
        with (self._folder / Path(name).name).open("rb") as file:
            file.seek(start)
            while length > 0:
                chunk = await self._readers.run(partial(file.read, min(CHUNK_BYTES, length)))
                if not chunk:
                    return
                length -= len(chunk)
                yield chunk

    async def size(self, name: str) -> int:
        """Return the size of a file in bytes.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return (self._folder / Path(name).name).stat().st_size

    def direct_url(self, name: str, mime_type: str, disposition: str) -> str | None:
        """Return None, because this server itself serves the files."""
        return None

    def direct_form(self, name: str, file: DirectFile, lifetime: int) -> tuple[str, dict[str, str]] | None:
        """Return None, because this server itself receives the files."""
        return None

    async def accept_upload(self, name: str) -> ArrivedFile | None:
        """Return None, because this server itself receives the files."""
        return None

    async def end_direct(self, name: str, lifetime: int) -> None:
        """Do nothing, because this server itself receives the files."""

    async def close(self) -> None:
        """Stop the threads and processes."""
        self._readers.close()
        await self._parts.close()


def free_bytes(folder: Path) -> int:
    """Return the free bytes on the disk of a folder, which may not exist yet."""
    return shutil.disk_usage(folder if folder.exists() else folder.parent).free
