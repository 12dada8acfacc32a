"""Forms with which users upload files to the bucket."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class FormRow(NamedTuple):
    """A form with which a user uploads a file of at most `size` bytes, which will be called `name`, to the bucket."""

    name: str
    uid: str
    size: int
    issued_at: int


@dataclass(frozen=True, slots=True)
class FormLimits:
    """The limits of the forms of one user.

    Attributes:
        quota: bytes that the user may upload after `day_ago`; 0 for no limit.
        most: how many forms may be open.
        day_ago: forms and files from this time or earlier do not count, in seconds since 1970.
        expired_before: forms from this time or earlier can no longer upload anything, in seconds since 1970.
    """

    quota: int
    most: int
    day_ago: int
    expired_before: int


class FormResult(StrEnum):
    """The result of storing forms."""

    STORED = "stored"
    TOO_MANY = "too many"  # more forms would be open than is allowed: none was stored
    OVER_QUOTA = "over quota"  # the user's quota would be exceeded: none was stored
