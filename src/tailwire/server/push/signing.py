"""Makes the signed tokens (JWT) with which the server identifies itself to push services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jwt


class TokenSigner:
    """Makes signed tokens. Each is used for some time before a new one is made.

    Args:
        key: the private key.
        algorithm: `ES256` or `RS256`.
        claims: returns the claims of a token, given the time at which it is made, in seconds since 1970.
        seconds: for how many seconds a token is used. It has to be less than the time for which it is valid.
        headers: further fields of the token's header, or None.
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
        """Return the token for a request at the time `now`, in seconds since 1970. An old one is replaced."""
        if now >= self._until or now < self._until - self._seconds:
            self._token = jwt.encode(self._claims(now), self._key, self._algorithm, self._headers)
            self._until = now + self._seconds
        return self._token

    def renew(self) -> None:
        """Have the next call of `token` make a new token. Call it when the push service has refused the last one."""
        self._until = 0
