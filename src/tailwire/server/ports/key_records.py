"""Rows of API keys and auth tokens. Times are seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key. It is stored only as its hash and its last characters (`hint`).

    Attributes:
        scope: `authOnly` (it may only log users in) or `fullAccess`.
        expires_at: when it ends; None if it lasts until it is removed.
        used_at: when it was last used, at most an hour out of date; None if never.
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
    """An auth token of a user. It is stored only as its hash and its last characters (`hint`).

    Attributes:
        expires_at: when it ends by itself, as a JWT of an identity provider does; None if it lasts until it is revoked.
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
    """The owner of an auth token.

    Attributes:
        uid: the owner.
        created_at: when the token was created.
        expires_at: as in `TokenRow`.
    """

    uid: str
    created_at: int
    expires_at: int | None = None
