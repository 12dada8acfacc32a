"""Where uploaded files are kept. Written and read in pieces: a file is never whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of a picture.

    Attributes:
        width, height: in pixels, as it is stored.
        small: whether there is a small copy of it.
    """

    width: int
    height: int
    small: bool


class Sink(Protocol):
    """A file that is being written: written, finished, perhaps looked at as a picture, then kept or dropped."""

    @property
    def head(self) -> bytes:
        """Its first bytes, by which its type is told."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    def write(self, data: bytes) -> None:
        """Write the next bytes.

        Raises:
            Refused: ERR_UNAVAILABLE, when there is no room.
        """

    async def finish(self) -> None:
        """All is written: bring it to the disk, where it survives the machine's power.

        Raises:
            Refused: ERR_UNAVAILABLE.
        """

    async def picture(self) -> Picture | None:
        """Measure it as a picture and make a small copy, where that is cheap enough; None when it is no picture."""

    async def keep(self, name: str, thumbnail: str | None = None) -> None:
        """Keep it under a name that nobody has, and its small copy under another.

        Raises:
            Refused: ERR_UNAVAILABLE.
        """

    def drop(self) -> None:
        """Forget it and its small copy, unless it is kept. May be called at any time, and again."""


class Uploads(Protocol):
    """The interface of the place."""

    def begin(self) -> Sink:
        """Begin a new file.

        Raises:
            Refused: ERR_UNAVAILABLE.
        """

    def free(self) -> int:
        """Return the bytes that are free where files are kept."""

    async def remove(self, names: list[str]) -> None:
        """Forget files; those that are not there are no error."""

    def read(self, name: str, start: int, length: int) -> AsyncIterator[bytes]:
        """A part of a file, in pieces.

        Raises:
            FileNotFoundError: when there is none of that name.
        """

    async def size(self, name: str) -> int:
        """The bytes of a file.

        Raises:
            FileNotFoundError: when there is none of that name.
        """
