"""Reads the responses of push services."""

from __future__ import annotations

import email.utils
from typing import Any

import msgspec

MAX_ANSWER_BYTES = 64 * 1024
MAX_WAIT_SECONDS = 3600.0


async def read_body(response: Any) -> bytes:
    """Return the body of a streamed response of httpx, cut off after `MAX_ANSWER_BYTES`."""
    found = bytearray()
    async for piece in response.aiter_raw():
        found += piece
        if len(found) > MAX_ANSWER_BYTES:
            break
    return bytes(found[:MAX_ANSWER_BYTES])


def wait_of(headers: Any, now: int) -> float:
    """Return for how many seconds a response asks the sender to wait (`Retry-After`), at most an hour.

    The result is 0 without that header, or if it cannot be parsed.

    Args:
        headers: the headers of the response.
        now: the present time, in seconds since 1970.
    """
    header = headers.get("retry-after", "").strip()
    if header.isascii() and header.isdigit():
        return min(float(header[:9]), MAX_WAIT_SECONDS)
    try:
        at = email.utils.parsedate_to_datetime(header).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):  # the last two: a time beyond what the system knows
        return 0.0
    return min(max(0.0, at - now), MAX_WAIT_SECONDS)


def object_in(body: bytes) -> dict[str, Any]:
    """Decode a body as a JSON object. Return an empty dict if it is not one."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
