"""The form of ids of users and groups, as servers store and send them, and of tokens and keys."""

from __future__ import annotations

UNSENDABLE_TEXT = (
    "a line break, a space at an end, or another character that cannot be sent: remove it, as strip() does"
)
"""What is wrong with a secret that is not sendable, for the text of an error."""


def stored_id(identifier: str) -> str:
    """Return a uid or guid as servers store it and send it: in lower case. Use it before you compare an id of the app.

    Anything but text is returned unchanged, for the caller to refuse.
    """
    return identifier.lower() if isinstance(identifier, str) else identifier


def is_sendable(secret: str) -> bool:
    """Return whether a token or key can be sent as an HTTP header: printable ASCII without spaces at the ends."""
    return secret.isascii() and secret.isprintable() and secret == secret.strip()
