"""How much of what was written to a TCP connection has arrived at its other end."""

from __future__ import annotations

import socket as sockets
import struct
import sys
from typing import Any

_BYTES_ACKED = 120  # where Linux has it in its tcp_info


def bytes_acknowledged(raw: Any) -> int | None:
    """Return how many bytes the other end has acknowledged, counted from any point: only that it rises matters.

    Args:
        raw: the socket, or what asyncio gives for it.

    Returns:
        None where the system does not count them (other systems than Linux and Android), or the socket is closed.
    """
    if sys.platform not in ("linux", "android") or raw is None:
        return None
    try:
        info = raw.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, _BYTES_ACKED + 8)
    except (OSError, AttributeError):
        return None
    if len(info) < _BYTES_ACKED + 8:
        return None
    (acknowledged,) = struct.unpack_from("Q", info, _BYTES_ACKED)
    return int(acknowledged)
