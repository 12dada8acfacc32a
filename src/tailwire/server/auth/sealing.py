"""Secrets that have to be read again (a webhook's password and signing secret): encrypted, the key beside the database.

Who has the database alone, a copy or a backup of it, cannot read them; who has the key's file too can.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

PREFIX = "sealed:"


class CannotUnseal(ValueError):
    """It was sealed with another key, or is damaged."""


class Sealer:
    """Seals texts, and opens what it sealed.

    Args:
        key: secret bytes, at least 16.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("the key is too short")
        self._key = base64.urlsafe_b64encode(hmac.digest(key, b"tailwire sealing v1", hashlib.sha256))

    def seal(self, secret: str) -> str:
        """Return a secret as it is stored; "" stays ""."""
        from cryptography.fernet import Fernet  # here, since most servers never need it

        if not secret:
            return ""
        return PREFIX + Fernet(self._key).encrypt(secret.encode("utf-8", "surrogatepass")).decode()

    def unseal(self, stored: str) -> str:
        """Return the secret.

        Raises:
            CannotUnseal: when it was sealed with another key, or was not sealed.
        """
        from cryptography.fernet import Fernet, InvalidToken

        if not stored:
            return ""
        try:
            opened = Fernet(self._key).decrypt(stored.removeprefix(PREFIX))
        except (InvalidToken, ValueError) as e:
            raise CannotUnseal("it was sealed with another key") from e
        return opened.decode("utf-8", "surrogatepass")

    @staticmethod
    def is_sealed(stored: str) -> bool:
        """Whether a stored text was sealed, with whatever key."""
        return stored.startswith(PREFIX)
