"""Identifiers: uids and guids."""

from __future__ import annotations

import re

from tailwire.server.ports.refusal import Refused

_ID = re.compile(r"[a-z0-9_-]{1,100}\Z")
SYSTEM_USER = "app_system"


def identifier(value: str, field: str) -> str:
    """Return a uid or guid in its stored form: 1 to 100 lower-case characters of `a-z0-9_-`.

    Raises:
        Refused: ERR_BAD_REQUEST, naming the field.
    """
    lowered = value.lower()
    if not _ID.match(lowered):
        raise Refused("ERR_BAD_REQUEST", {field: "Use 1 to 100 characters of a-z, 0-9, _ and -."})
    return lowered
