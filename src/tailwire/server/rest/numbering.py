"""Request numbers: from them the store sees that a request that changes something was repeated or overtaken.

The store refuses a request unless its number is higher than that of every earlier request about the same thing.
"""

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
"""Paths whose requests set one value each. Whatever order they arrive in, the value of the newest request remains.
A request with another path is only compared with its own repetitions, so that it is carried out once."""


def number_of(operation: Operation, path: str, caller: Caller, header: bytes | None) -> RequestNumber | None:
    """Return the number of a request from its header. None if it is a GET, or the header is absent or invalid.

    The header is `CALL.ATTEMPT`. The client of a user counts its requests, so that `CALL` is a number. The processes of
    a backend share an API key and cannot count together, so that each request has a random name as `CALL`.

    Args:
        path: the path of the request, without the base path.
        header: the value of the header `HEADER`; None if the request has none.
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
