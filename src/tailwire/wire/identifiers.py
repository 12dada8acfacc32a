"""The form in which ids of users and groups are stored and sent by servers."""

from __future__ import annotations


def stored_id(identifier: str) -> str:
    """Return a uid or guid as servers store it and send it: in lower case. Use it before you compare an id of the app.

    Anything but text is returned unchanged, for the caller to refuse.
    """
    return identifier.lower() if isinstance(identifier, str) else identifier
