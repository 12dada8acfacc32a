"""Identifiers: uids, guids, and the ids of roles and webhooks."""

from __future__ import annotations

import re

from tailwire.server.ports.refusal import Refused
from tailwire.wire.identifiers import stored_id

_ID = re.compile(r"[a-z0-9_-]{1,100}\Z")
SYSTEM_USER = "app_system"


def identifier(value: str, field: str) -> str:
    """Return an id in the form in which it is stored: in lower case.

    Args:
        value: the id as it was sent.
        field: the name of the field, for the refusal.

    Raises:
        Refused: ERR_BAD_REQUEST, naming the field: the id is not 1 to 100 letters (a-z, A-Z), digits, `_` and `-`.
    """
    lowered = stored_id(value)
    if not _ID.match(lowered):
        raise Refused("ERR_BAD_REQUEST", {field: "Use 1 to 100 characters of a-z, 0-9, _ and -."})
    return lowered
