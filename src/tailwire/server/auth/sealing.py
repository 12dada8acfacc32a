"""Encrypts the secrets in the database that the server needs in plain text: webhooks' passwords and signing secrets.

The key is in a file outside the database, so a copy or backup of the database alone does not reveal the secrets.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

SEALED_PREFIX = "sealed:"


class CannotUnseal(ValueError):
    """The text was not encrypted with this key, or is damaged."""


class Sealer:
    """Encrypts and decrypts texts.

    Args:
        key: at least 16 secret bytes.

    Raises:
        ValueError: the key is shorter.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("the key is too short")
        self._key = base64.urlsafe_b64encode(hmac.digest(key, b"tailwire sealing v1", hashlib.sha256))

    def seal(self, secret: str) -> str:
        """Return the encrypted form of a secret, to be stored; "" for ""."""
        from cryptography.fernet import Fernet  # imported here, because most servers never need it

        if not secret:
            return ""
        return SEALED_PREFIX + Fernet(self._key).encrypt(secret.encode("utf-8", "surrogatepass")).decode()

    def unseal(self, stored: str) -> str:
        """Return the secret that `seal` has encrypted; "" for "".

        Raises:
            CannotUnseal: if it was sealed with another key, was not sealed, or is damaged.
        """
        from cryptography.fernet import Fernet, InvalidToken

        if not stored:
            return ""
        try:
            opened = Fernet(self._key).decrypt(stored.removeprefix(SEALED_PREFIX))
        except (InvalidToken, ValueError) as e:
            raise CannotUnseal("it was sealed with another key") from e
        return opened.decode("utf-8", "surrogatepass")

    @staticmethod
    def is_sealed(stored: str) -> bool:
        """Return whether a stored text is encrypted, whatever the key; False for a plain text."""
        return stored.startswith(SEALED_PREFIX)
