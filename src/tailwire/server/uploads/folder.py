"""Files in a folder."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.logs import log

COME_BACK = 10.0
PIECE = 256 * 1024
HEAD = 4096
MOST_PIXELS = 50_000_000
THUMBNAIL = (320, 320)


@contextmanager
def _told() -> Iterator[None]:
    # A disk that is full or read-only, or no descriptors left: not the fault of whoever uploads.
    try:
        yield
    except OSError as e:
        log.error("a file cannot be stored: %s", e)
        raise Refused("ERR_UNAVAILABLE", "The file was not stored. Try again later.", retry_after=COME_BACK) from e


class _File:
    """A file that is being written."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._path = folder / f".{os.getpid()}-{number}.part"
        with _told():
            folder.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO | None = self._path.open("wb")
        self.head = b""
        self.size = 0

    def write(self, data: bytes) -> None:
        """The next bytes: into the system's cache, which takes no time worth a thread."""
        if self._file is None:
            raise ValueError("the file is finished")
        if len(self.head) < HEAD:
            self.head += data[: HEAD - len(self.head)]
        with _told():
            self._file.write(data)
        self.size += len(data)

    async def finish(self, name: str) -> None:
        """Keep it under a name."""
        file, self._file = self._file, None
        if file is None:
            raise ValueError("the file is finished")

        def keep() -> None:
            with file:
                file.flush()
                os.fsync(file.fileno())
            self._path.rename(self._folder / name)

        try:
            with _told():
                await asyncio.get_running_loop().run_in_executor(None, keep)
        except Refused:
            self._path.unlink(missing_ok=True)
            raise

    def drop(self) -> None:
        """Forget it."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # what could not be written is not wanted any more
                file.close()
            self._path.unlink(missing_ok=True)


class FolderUploads:
    """The place. The folder is made with the first file; what was half written before a crash is swept away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        if folder.exists():
            for left in folder.glob(".*.part"):
                left.unlink(missing_ok=True)

    def begin(self) -> _File:
        """A new file."""
        self._number += 1
        return _File(self._folder, self._number)

    def remove(self, name: str) -> None:
        """Forget a file."""
        (self._folder / Path(name).name).unlink(missing_ok=True)

    async def read(self, name: str, start: int, length: int) -> AsyncIterator[bytes]:
        """A part of a file, in pieces."""
        loop = asyncio.get_running_loop()
        with (self._folder / Path(name).name).open("rb") as file:
            file.seek(start)
            while length > 0:
                piece = await loop.run_in_executor(None, file.read, min(PIECE, length))
                if not piece:
                    return
                length -= len(piece)
                yield piece

    async def size(self, name: str) -> int:
        """The bytes of a file."""
        return (self._folder / Path(name).name).stat().st_size

    async def picture(self, name: str, thumbnail: str) -> tuple[int, int] | None:
        """Width and height of an image, and a small copy of it."""
        return await asyncio.get_running_loop().run_in_executor(None, self._picture, name, thumbnail)

    def _picture(self, name: str, thumbnail: str) -> tuple[int, int] | None:
        from PIL import Image, ImageOps

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                with Image.open(self._folder / name) as image:
                    width, height = image.size
                    if width * height > MOST_PIXELS:
                        return width, height
                    image.draft("RGB", THUMBNAIL)
                    small = ImageOps.exif_transpose(image)
                    small.thumbnail(THUMBNAIL)
                    small.convert("RGB").save(self._folder / thumbnail, "JPEG", quality=80)
                    return width, height
        except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
            return None
