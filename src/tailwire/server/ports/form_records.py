"""Forms with which users upload files directly to the bucket (object storage) instead of through the server."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class FormRow(NamedTuple):
    """A form that the server has issued to a user for the upload of one file.

    Attributes:
        name: the name under which the file will be stored.
        uid: the user.
        size: how many bytes the file may have at most.
        issued_at: when it was issued, in seconds since 1970.
    """

    name: str
    uid: str
    size: int
    issued_at: int


@dataclass(frozen=True, slots=True)
class FormLimits:
    """The limits of the forms of one user. A form is open until its file was accepted or refused.

    Attributes:
        quota: how many bytes the user's files, open forms and new forms may have together; 0 for no limit. The new
            forms and all forms that have not expired, open or not, may not have more either.
        most: how many forms may be open; 0 for no limit.
        day_ago: forms issued and files added at or before this time do not count, in seconds since 1970.
        expired_before: forms issued at or before this time have expired, so that nothing can be uploaded with them, in
            seconds since 1970.
    """

    quota: int
    most: int
    day_ago: int
    expired_before: int


class FormResult(StrEnum):
    """The result of storing forms. They were stored only if the result is STORED."""

    STORED = "stored"
    TOO_MANY = "too many"  # more forms would be open than is allowed: none was stored
    OVER_QUOTA = "over quota"  # the user's quota would be exceeded: none was stored
