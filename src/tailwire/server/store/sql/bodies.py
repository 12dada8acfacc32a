"""Converts stored messages to Python objects and back, including those that strict parsers refuse."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tailwire.wire.bounds import harmless


def read_body(body: bytes) -> Any:
    """Return a stored message; None if it is not JSON.

    Values that nest too deep and numbers that are too long become `null`, invalid UTF-8 becomes U+FFFD.
    """
    text = harmless(body)
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
