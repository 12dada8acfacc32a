"""Reads from Linux's `tcp_info` how many of the written bytes the peer has acknowledged."""

from __future__ import annotations

import struct

_BYTES_ACKED_OFFSET = 120
TCP_INFO_BYTES = _BYTES_ACKED_OFFSET + 8
"""The number of bytes of the structure to request."""


def bytes_acknowledged(info: bytes) -> int | None:
    """Return how many bytes the peer has acknowledged. The origin is arbitrary: compare two values.

    Args:
        info: the result of `getsockopt(IPPROTO_TCP, TCP_INFO, SIZE)`.

    Returns:
        None on an older Linux, whose structure lacks the field.
    """
    if len(info) < TCP_INFO_BYTES:
        return None
    (acknowledged,) = struct.unpack_from("Q", info, _BYTES_ACKED_OFFSET)
    return int(acknowledged)
