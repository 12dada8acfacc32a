"""Reads answers of providers: within bounds, and without repeating tokens in problems."""

from __future__ import annotations

import email.utils
from typing import Any

import msgspec

MAX_ANSWER_BYTES = 64 * 1024
MAX_WAIT_SECONDS = 3600.0


async def read_body(response: Any) -> bytes:
    """Return the body of a streamed response of httpx, without what is beyond `MAX_ANSWER_BYTES`."""
    found = bytearray()
    async for piece in response.aiter_raw():
        found += piece
        if len(found) > MAX_ANSWER_BYTES:
            break
    return bytes(found[:MAX_ANSWER_BYTES])


def wait_of(headers: Any, now: int) -> float:
    """Return the seconds to wait that a response asks for (`Retry-After`), at most an hour; 0 if it asks for none.

    Args:
        headers: of the response.
        now: seconds since 1970.
    """
    header = headers.get("retry-after", "").strip()
    if header.isascii() and header.isdigit():
        return min(float(header[:9]), MAX_WAIT_SECONDS)
    try:
        at = email.utils.parsedate_to_datetime(header).timestamp()
    except (TypeError, ValueError):
        return 0.0
    return min(max(0.0, at - now), MAX_WAIT_SECONDS)


def object_in(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body; an empty one if there is none."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
