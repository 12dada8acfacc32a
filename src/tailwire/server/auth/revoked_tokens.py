"""Remembers why auth tokens ceased to be valid, so that the log can say so when one of them is used again."""

from __future__ import annotations

from typing import NamedTuple

MAX_TOKENS = 10_000


class Revoked(NamedTuple):
    """A token that was valid: whose it was, and why it is no longer valid."""

    uid: str
    reason: str


class RevokedTokens:
    """Remembers the newest tokens by their hashes, until the server stops.

    Args:
        most: how many tokens are remembered.
    """

    def __init__(self, most: int = MAX_TOKENS) -> None:
        self._most = most
        self._found: dict[str, Revoked] = {}

    def add(self, token_hash: str, uid: str, reason: str) -> None:
        """Remember a token."""
        if len(self._found) >= self._most:
            del self._found[next(iter(self._found))]
        self._found[token_hash] = Revoked(uid, reason)

    def get(self, token_hash: str) -> Revoked | None:
        """Return what is known about a token; None if it is not remembered."""
        return self._found.get(token_hash)
