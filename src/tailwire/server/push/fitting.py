"""Makes the payloads of notifications fit the limits of push services, by shortening the text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

ELLIPSIS = "…"
_encode = msgspec.json.Encoder().encode


def fit_payload(payload: Callable[[str], Any], body: str, max_bytes: int) -> bytes:
    """Return a payload as JSON, with as much of the body as fits into a number of bytes.

    Args:
        payload: returns the payload, to be encoded, for a body.
        body: the whole body. If it does not fit, it is cut between two characters, and ends with an ellipsis.
        max_bytes: the largest size of the JSON. If it is exceeded even without a body, the payload with the body "" is
            returned, although it is too large.
    """
    whole = _encode(payload(body))
    if len(whole) <= max_bytes:
        return whole
    low, high = 0, len(body)  # a number of characters that fits, and one that does not
    while high - low > 1:
        middle = (low + high) // 2
        if len(_encode(payload(body[:middle].rstrip() + ELLIPSIS))) <= max_bytes:
            low = middle
        else:
            high = middle
    return _encode(payload(body[:low].rstrip() + ELLIPSIS if low else ""))
