"""Records of uploaded files."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class FileRow:
    """An uploaded file.

    Attributes:
        name: a random name that cannot be guessed, under which it is stored.
        uid: the user who uploaded it; the uid of the app itself if a backend did; "" if the user was removed and
            anonymised.
        file_name: the name that the client gave it.
        width, height: pixels of a picture; None for other files, and for pictures that were not measured.
        thumbnail: the name under which its thumbnail is stored; None without one.
    """

    name: str
    uid: str
    file_name: str
    mime_type: str
    size: int
    created_at: int
    width: int | None = None
    height: int | None = None
    thumbnail: str | None = None


class FileResult(StrEnum):
    """The result of storing the record of a file. It was stored only if the result is STORED."""

    STORED = "stored"
    EXISTS = "exists"  # a file of that name exists: nothing was changed
    OVER_QUOTA = "over quota"  # the user's quota is exceeded
    NO_USER = "no user"  # the user was deleted
