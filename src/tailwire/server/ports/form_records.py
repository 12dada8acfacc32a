"""Forms with which users upload files to the bucket."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class FormRow(NamedTuple):
    """A form with which a user uploads a file of at most `size` bytes to the bucket."""

    name: str
    uid: str
    size: int
    issued_at: int


@dataclass(frozen=True, slots=True)
class FormLimits:
    """The limits of the forms of one user.

    Attributes:
        quota: bytes that the user may upload after `day_ago`; 0 for no limit.
        most: forms that may be open.
        day_ago: forms and files that are older do not count, in seconds since 1970.
        expired: forms that are older can no longer upload anything.
    """

    quota: int
    most: int
    day_ago: int
    expired: int


class FormResult(StrEnum):
    """The result of storing forms."""

    STORED = "stored"
    TOO_MANY = "too many"
    OVER_QUOTA = "over quota"
