"""Compresses responses for clients that accept gzip. History shrinks to a seventh.

Compression is enabled for each operation (`Operation.compressed`), and only if its response contains no secret of the
server. An attacker who can insert text next to a secret, and see the size of the compressed response, can guess the
secret (BREACH). So errors, and responses with a token, a key or the pass for a WebSocket, are never compressed.

These responses do contain texts of other users. An attacker who can write to a user, sees the size of the user's
responses and can make the client repeat a request could guess such texts. The setting `compress` turns compression off.

Figures for level, threshold and slice size are in docs/project/decisions.md.
"""

from __future__ import annotations

import asyncio
import math
import zlib

COMPRESSION_LEVEL = 1
MIN_BYTES = 1000
"""Smaller bodies are not compressed: they fit into one packet anyway."""
SLICE_BYTES = 128 * 1024
"""The number of bytes that are compressed in one iteration of the event loop, so that other tasks can run."""
GZIP_WBITS = 31
"""`wbits` of zlib for the gzip format."""

VARY_HEADER = (b"vary", b"accept-encoding")
GZIP_HEADER = (b"content-encoding", b"gzip")


def accepts_gzip(accept: bytes) -> bool:
    """Return whether a client accepts gzip, according to its `Accept-Encoding` header.

    The header has to name gzip or `*` with a quality above 0, and not give `identity` a greater quality.
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
    # An invalid quality counts as 0.
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if math.isfinite(quality) and 0 <= quality <= 1 else 0.0


async def compress_body(body: bytes, accept: bytes | None, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return a body, compressed if the client accepts gzip and the body has at least `MIN_BYTES`.

    Args:
        accept: the request's `Accept-Encoding`; None if it has none.
        headers: the headers of the response. `vary` is appended to this list, and `content-encoding` if the body is
            compressed.
    """
    headers.append(VARY_HEADER)
    if len(body) < MIN_BYTES or not accept or not accepts_gzip(accept):
        return body
    headers.append(GZIP_HEADER)
    packer = zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, GZIP_WBITS)
    if len(body) <= SLICE_BYTES:
        return packer.compress(body) + packer.flush()
    slices = []
    for begin in range(0, len(body), SLICE_BYTES):
        slices.append(packer.compress(body[begin : begin + SLICE_BYTES]))
        await asyncio.sleep(0)  # let other tasks run
    return b"".join([*slices, packer.flush()])
