"""Remembers why auth tokens are no longer valid, so that the log can say so when one of them is used again."""

from __future__ import annotations

from typing import NamedTuple

MAX_TOKENS = 10_000


class Revoked(NamedTuple):
    """What is known about a token that is no longer valid.

    Attributes:
        uid: the user to whom it belonged.
        reason: why it is no longer valid, as a text for the log.
    """

    uid: str
    reason: str


class RevokedTokens:
    """Remembers tokens that are no longer valid, in memory.

    Args:
        most: how many tokens are remembered; beyond that the one added first is forgotten.
    """

    def __init__(self, most: int = MAX_TOKENS) -> None:
        self._most = most
        self._found: dict[str, Revoked] = {}

    def add(self, token_hash: str, uid: str, reason: str) -> None:
        """Remember a token. If as many as possible are remembered, forget the one that was added first.

        Args:
            token_hash: its fingerprint (see `secrets.fingerprint`).
            uid: the user to whom it belonged.
            reason: why it is no longer valid, as a text for the log.
        """
        if len(self._found) >= self._most:
            del self._found[next(iter(self._found))]
        self._found[token_hash] = Revoked(uid, reason)

    def get(self, token_hash: str) -> Revoked | None:
        """Return what is known about a token with a given fingerprint; None if it is not remembered."""
        return self._found.get(token_hash)
