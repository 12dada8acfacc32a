"""The number of a request, from its header: which requests of a client are about the same, and which is the newest."""

from __future__ import annotations

import hashlib
import re

from tailwire.server.actions.caller import Caller
from tailwire.server.ports.request_numbers import RequestNumber
from tailwire.server.rest.operations import Operation
from tailwire.wire.frames import REQUEST_HEADER

HEADER = REQUEST_HEADER.encode()
MAX_ATTEMPTS = 100
_NUMBER = re.compile(rb"(\d{1,12})\.(\d{1,2})")
_SETTING = frozenset({
    "/messages/{id}", "/messages/{id}/reactions/{reaction}", "/messages/{id}/pin", "/messages/{id}/save",
    "/messages/{id}/thread/subscription", "/users/{uid}/conversation", "/groups/{guid}/conversation",
    "/users/{uid}/conversation/pin", "/groups/{guid}/conversation/pin",
})  # fmt: skip
"""Paths whose requests set one thing: of two, the one that the client made last counts, in whatever order they arrive.
Of other requests each is carried out once."""


def number_of(operation: Operation, path: str, caller: Caller, given: bytes | None) -> RequestNumber | None:
    """Return the number of a request of a user's client; None if it has none.

    Args:
        path: of the request, below the base path.
        given: the header.
    """
    found = _NUMBER.fullmatch(given or b"")
    if found is None or not caller.device or operation.method == "GET":  # keys have no device
        return None
    call, attempt = map(int, found.groups())
    about = path if operation.path in _SETTING else f"#{call}"
    named = "\0".join((caller.uid, caller.device, about))
    return RequestNumber(hashlib.blake2b(named.encode(), digest_size=16).hexdigest(), call * MAX_ATTEMPTS + attempt)
