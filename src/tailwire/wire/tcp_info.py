"""What Linux tells of a TCP connection (`tcp_info`): how much of what was written has arrived at the other end."""

from __future__ import annotations

import struct

_BYTES_ACKED = 120
SIZE = _BYTES_ACKED + 8
"""How many bytes of the structure are asked for."""


def bytes_acknowledged(info: bytes) -> int | None:
    """Return how many bytes the other end has acknowledged, counted from any point: only that it rises matters.

    Args:
        info: what `getsockopt(IPPROTO_TCP, TCP_INFO, SIZE)` answered.

    Returns:
        None when the system's structure ends before that: it is an older Linux.
    """
    if len(info) < SIZE:
        return None
    (acknowledged,) = struct.unpack_from("Q", info, _BYTES_ACKED)
    return int(acknowledged)
