"""Where uploaded files are kept. Written and read in pieces: a file is never whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol


class Sink(Protocol):
    """A file that is being written. It has no name until it is finished."""

    @property
    def head(self) -> bytes:
        """Its first bytes, by which its type is told."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    def write(self, data: bytes) -> None:
        """The next bytes."""

    async def finish(self, name: str) -> None:
        """All is written: keep it under a name. It survives the machine's power."""

    def drop(self) -> None:
        """Forget it."""


class Uploads(Protocol):
    """The interface of the place."""

    def begin(self) -> Sink:
        """A new file."""

    def remove(self, name: str) -> None:
        """Forget a file."""

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

    async def picture(self, name: str, thumbnail: str) -> tuple[int, int] | None:
        """Width and height of an image, and a small copy of it under another name; None when it is no image."""
