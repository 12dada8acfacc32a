"""Stored messages as Python objects and back: also what an earlier version let in and strict parsers refuse."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tailwire.wire.bounds import harmless


def read_body(body: bytes) -> Any:
    """Return a stored message; None where it is no JSON at all.

    `null` stands for what nests too deep and for numbers that are too long, U+FFFD for what is no text.
    """
    text = harmless(body)
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass  # a half of a surrogate pair, mostly: the more lenient parser reads it
    try:
        return json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def write_body(message: Any) -> bytes:
    """Return a message as it is stored."""
    try:
        return msgspec.json.encode(message)
    except (ValueError, OverflowError):
        return json.dumps(message, separators=(",", ":")).encode()
