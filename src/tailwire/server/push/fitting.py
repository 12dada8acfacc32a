"""Payloads within the bounds of the providers: a long text is cut between two characters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

ELLIPSIS = "…"
_encode = msgspec.json.Encoder().encode


def fit_payload(payload: Callable[[str], Any], body: str, max_bytes: int) -> bytes:
    """Return a payload as JSON within a number of bytes, with as much of the body as fits.

    Args:
        payload: returns the payload with the body that it is given.
        body: the whole body. If it does not fit, it is cut between two characters, and ends with an ellipsis.
        max_bytes: the bound. If it is exceeded even without a body, the payload is returned without one, too large.
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
