"""The number of a request, from its header: which requests of a client concern the same thing, and which is newest."""

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
_NAMED = re.compile(rb"([A-Za-z0-9_-]{16,64})\.(\d{1,2})")
_SETTING = frozenset({
    "/messages/{id}", "/messages/{id}/reactions/{reaction}", "/messages/{id}/pin", "/messages/{id}/save",
    "/messages/{id}/thread/subscription", "/users/{uid}/conversation", "/groups/{guid}/conversation",
    "/users/{uid}/conversation/pin", "/groups/{guid}/conversation/pin",
    "/users/{uid}/conversation/read", "/groups/{guid}/conversation/read", "/me",
})  # fmt: skip
"""Paths whose requests set one thing: the one that the client made last counts, in whatever order they arrive.
Each other request is carried out once."""


def number_of(operation: Operation, path: str, caller: Caller, header: bytes | None) -> RequestNumber | None:
    """Return the number of a request; None if it is a GET, or has none that is valid for its caller.

    A client of a user counts its requests. Processes of a backend share a key and do not know each other's numbers, so
    they name each request instead, and only the number of the attempt counts.

    Args:
        path: the path of the request, without the base path.
        header: the value of the header `HEADER`; None without it.
    """
    found = (_NAMED if caller.key_hash else _NUMBER).fullmatch(header or b"")
    if found is None or operation.method == "GET" or not (caller.device or caller.key_hash):
        return None
    call, attempt = found[1].decode(), int(found[2])
    if caller.key_hash:
        return RequestNumber(_key("key", caller.key_hash, call), attempt)
    about = path if operation.path in _SETTING else f"#{int(call)}"
    return RequestNumber(_key(caller.uid, caller.device, about), int(call) * MAX_ATTEMPTS + attempt)


def _key(*named: str) -> str:
    return hashlib.blake2b("\0".join(named).encode(), digest_size=16).hexdigest()
