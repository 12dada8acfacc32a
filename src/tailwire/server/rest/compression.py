"""Compresses answers for clients that can read them so (`Accept-Encoding: gzip`): history is a seventh then.

What is compressed is named operation by operation (`Operation.compressed`), and no secret of the server stands in it.
Whoever can put text of their own beside a secret, and see how long the compressed answer is, can guess the secret
(BREACH): so no answer that carries a token, a key or the WebSocket's pass may be marked, nor any error. Texts of others
are in these answers: whoever can write to a user, sees the length of what that user reads and can have it read again
and again could guess them so. `compress` switches compression off for those who fear that more than slow lines.

Figures for level, threshold and slices are in docs/project/decisions.md.
"""

from __future__ import annotations

import asyncio
import math
import zlib

LEVEL = 1
SMALLEST = 1000
"""Bytes: what is smaller goes in one packet anyway."""
SLICE = 128 * 1024
"""Bytes that are compressed in one turn of the event loop."""
GZIP = 31
"""`wbits` of zlib for the format of gzip."""

VARY = (b"vary", b"accept-encoding")
ENCODED = (b"content-encoding", b"gzip")


def accepts_gzip(accept: bytes) -> bool:
    """Return whether a client wants gzip, by its `Accept-Encoding`: named, or meant by `*`, and not with q=0.

    One that would rather have the answer as it is (`identity` with a greater q) gets it so.
    """
    found: dict[str, float] = {}
    for part in accept.decode("latin-1").lower().split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                quality = _quality(value.strip())
        found[name] = quality
    gzip = found.get("gzip", found.get("x-gzip", found.get("*", 0.0)))
    return gzip > 0 and gzip >= found.get("identity", 0.0)


def _quality(value: str) -> float:
    # What is no number from 0 to 1 accepts nothing.
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if math.isfinite(quality) and 0 <= quality <= 1 else 0.0


async def compressed(body: bytes, accept: bytes | None, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return the body, compressed where that is wanted and worth it; the headers that say so are added.

    Args:
        accept: the request's `Accept-Encoding`, if any.
        headers: of the answer.
    """
    headers.append(VARY)
    if len(body) < SMALLEST or not accept or not accepts_gzip(accept):
        return body
    headers.append(ENCODED)
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    if len(body) <= SLICE:
        return packer.compress(body) + packer.flush()
    pieces = []
    for begin in range(0, len(body), SLICE):
        pieces.append(packer.compress(body[begin : begin + SLICE]))
        await asyncio.sleep(0)  # others have their turn
    return b"".join([*pieces, packer.flush()])
