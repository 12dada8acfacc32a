"""Converts stored messages to Python objects and back, including those that strict parsers refuse."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tailwire.wire.bounds import parseable

DELETED_NAME = "Deleted user"


def read_body(body: bytes) -> Any:
    """Return a stored message; None if it is not JSON.

    Values that nest too deep and numbers that are too long become `null`, invalid UTF-8 becomes U+FFFD.
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
    """Return a message encoded for the store."""
    try:
        return msgspec.json.encode(message)
    except (ValueError, OverflowError):
        return json.dumps(message, separators=(",", ":")).encode()


def without_user(body: bytes, uid: str) -> bytes | None:
    """Return a stored message in which only the uid is left of the copies of a deleted user.

    They are the sender, the receiver, a mention, or the subject of an action message.

    Returns:
        None if the message does not contain the uid, or is not JSON.
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
