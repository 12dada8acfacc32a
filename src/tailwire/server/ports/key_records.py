"""Rows of API keys and auth tokens. Times are seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key, known by its hash and its last characters (`hint`).

    Attributes:
        scope: `authOnly` or `fullAccess`.
        expires_at: when it ends; None if it lasts until it is removed.
        used_at: when it was last used, to the hour; None if never.
    """

    key_hash: str
    name: str
    scope: str
    created_at: int
    hint: str = ""
    expires_at: int | None = None
    used_at: int | None = None


@dataclass(frozen=True, slots=True)
class TokenRow:
    """An auth token, known by its hash and its last characters (`hint`).

    Attributes:
        expires_at: when it ends by itself; None if it lasts until it is revoked.
    """

    token_hash: str
    uid: str
    created_at: int
    hint: str = ""
    platform: str | None = None
    user_agent: str | None = None
    app_info: str | None = None
    expires_at: int | None = None


class TokenOwner(NamedTuple):
    """The owner of an auth token, when it was created, and when it ends by itself."""

    uid: str
    created_at: int
    expires_at: int | None = None
