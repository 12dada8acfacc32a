"""Signed tokens (JWT) with which the server identifies itself to providers, renewed before they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jwt


class TokenSigner:
    """Makes signed tokens, and uses each of them for some time.

    Args:
        key: the private key.
        algorithm: `ES256` or `RS256`.
        claims: returns the claims of a token that is made at a time, given in seconds since 1970.
        seconds: for how long a token is used.
        headers: further fields of the token's header; None for none.
    """

    def __init__(
        self,
        key: Any,
        algorithm: str,
        claims: Callable[[int], dict[str, Any]],
        seconds: int,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._key = key
        self._algorithm = algorithm
        self._claims = claims
        self._seconds = seconds
        self._headers = headers
        self._token = ""
        self._until = 0

    def token(self, now: int) -> str:
        """Return a token that is valid at the time `now`, in seconds since 1970: the last one, or a new one."""
        if now >= self._until or now < self._until - self._seconds:
            self._token = jwt.encode(self._claims(now), self._key, self._algorithm, self._headers)
            self._until = now + self._seconds
        return self._token

    def renew(self) -> None:
        """Have the next call of `token` make a new one, because the provider has refused this one."""
        self._until = 0
