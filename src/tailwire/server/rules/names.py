"""Names of things: uids, guids, conversations."""

from __future__ import annotations

import re

from tailwire.server.ports.refusal import Refused

_ID = re.compile(r"[a-z0-9_-]{1,100}\Z")
MOST_NAME = 100
MOST_TAGS = 25
MOST_TAG = 100
MOST_METADATA = 5 * 1024
MOST_URL = 3000
SYSTEM_USER = "app_system"


def identifier(value: str, field: str) -> str:
    """A uid or guid in its stored form: lower case, `a-z0-9_-`, 1 to 100 characters.

    Raises:
        Refused: ERR_BAD_REQUEST, naming the field.
    """
    lowered = value.lower()
    if not _ID.match(lowered):
        raise Refused("ERR_BAD_REQUEST", {field: "Use 1 to 100 characters of a-z, 0-9, _ and -."})
    return lowered


def display_name(value: str, field: str = "name") -> str:
    """A name that people read.

    Raises:
        Refused: ERR_BAD_REQUEST, naming the field.
    """
    if not value.strip() or len(value) > MOST_NAME:
        raise Refused("ERR_BAD_REQUEST", {field: f"Use 1 to {MOST_NAME} characters."})
    return value


def url(value: str | None, field: str) -> str | None:
    """A URL of an icon, avatar or link.

    Raises:
        Refused: ERR_BAD_REQUEST, naming the field.
    """
    if value is not None and len(value) > MOST_URL:
        raise Refused("ERR_BAD_REQUEST", {field: f"Use at most {MOST_URL} characters."})
    return value or None


def tags(value: list[str]) -> list[str]:
    """Tags of a user, group or message.

    Raises:
        Refused: ERR_BAD_REQUEST.
    """
    if len(value) > MOST_TAGS or any(not t or len(t) > MOST_TAG for t in value):
        raise Refused("ERR_BAD_REQUEST", {"tags": f"Use at most {MOST_TAGS} tags of 1 to {MOST_TAG} characters."})
    return value


def metadata(encoded: bytes) -> str | None:
    """Metadata of a user or group, as encoded JSON; `null` is none.

    Raises:
        Refused: ERR_BAD_REQUEST.
    """
    if encoded == b"null":
        return None
    if not encoded.lstrip().startswith(b"{") or len(encoded) > MOST_METADATA:
        raise Refused("ERR_BAD_REQUEST", {"metadata": f"Use an object of at most {MOST_METADATA} bytes."})
    return encoded.decode()


def conversation_of(sender: str, receiver: str, receiver_type: str) -> str:
    """The id of a conversation: the two uids sorted, or the group."""
    if receiver_type == "group":
        return f"group_{receiver}"
    first, second = sorted((sender, receiver))
    return f"{first}_user_{second}"
