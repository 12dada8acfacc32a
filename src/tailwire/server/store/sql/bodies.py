"""Decodes and encodes the JSON of stored messages (`MessageRow.body`), even if a strict parser refuses it."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tailwire.wire.bounds import parseable

DELETED_NAME = "Deleted user"


def read_body(body: bytes) -> Any:
    """Decode the JSON of a stored message. Return None if it is not JSON.

    Values that are nested too deep and numbers that are too long become None, invalid UTF-8 becomes U+FFFD.
    """
    text = parseable(body)
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass  # mostly a lone surrogate, which the more lenient parser accepts
    try:
        return json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def write_body(message: Any) -> bytes:
    """Encode a message as JSON for the store. Lone surrogates are allowed, as `read_body` returns them."""
    try:
        return msgspec.json.encode(message)
    except (ValueError, OverflowError):
        return json.dumps(message, separators=(",", ":")).encode()


def without_user(body: bytes, uid: str) -> bytes | None:
    """Erase a deleted user from a stored message: replace the copies of their user object, which keep only the uid.

    Such copies are the sender, the receiver, the mentioned users and the subject of an action message. What the user
    has written is not changed.

    Args:
        body: the JSON of the message.

    Returns:
        The changed JSON; None if the message does not contain the uid, or is not JSON.
    """
    if b'"uid":"%b"' % uid.encode() not in body:
        return None
    message = read_body(body)
    if message is None:
        return None
    _scrub(message, uid)
    return write_body(message)


def _scrub(message: Any, uid: str) -> None:
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, dict):
        return
    placeholder = {"uid": uid, "name": DELETED_NAME, "role": "default", "status": "offline"}
    mentions = data.get("mentions")
    if isinstance(mentions, dict) and uid in mentions:
        mentions[uid] = placeholder
    entities = data.get("entities")
    for one in entities.values() if isinstance(entities, dict) else ():
        inner = one.get("entity") if isinstance(one, dict) else None
        if isinstance(inner, dict) and one.get("entityType") == "user" and inner.get("uid") == uid:
            one["entity"] = placeholder
        elif isinstance(inner, dict) and one.get("entityType") == "message":
            _scrub(inner, uid)
