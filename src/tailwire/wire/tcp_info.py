"""Reads from Linux's `tcp_info` how many of the written bytes the peer has acknowledged."""

from __future__ import annotations

import struct

_BYTES_ACKED_OFFSET = 120
TCP_INFO_BYTES = _BYTES_ACKED_OFFSET + 8
"""The number of bytes to request from `getsockopt`: those up to the end of the field that is read."""


def bytes_acknowledged(info: bytes) -> int | None:
    """Return how many bytes the peer has acknowledged since the connection was opened, plus an unknown constant.

    Only the difference of two results is meaningful.

    Args:
        info: the result of `getsockopt(IPPROTO_TCP, TCP_INFO, TCP_INFO_BYTES)`.

    Returns:
        None on an older Linux, whose structure lacks the field.
    """
    if len(info) < TCP_INFO_BYTES:
        return None
    (acknowledged,) = struct.unpack_from("Q", info, _BYTES_ACKED_OFFSET)
    return int(acknowledged)
