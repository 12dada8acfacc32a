"""Finds out how many bytes of a TCP connection the peer has acknowledged."""

from __future__ import annotations

import asyncio
import socket as sockets
import struct
import sys
from contextlib import suppress

from tailwire.wire.tcp_info import TCP_INFO_BYTES, bytes_acknowledged


def acknowledged_bytes(transport: asyncio.Transport | None) -> int:
    """Return a number that grows with each byte that the peer acknowledges. Only differences of it are meaningful.

    On systems that do not count acknowledged bytes (all but Linux), it is the number of bytes that are buffered in this
    process, with a minus sign. It is 0 if there is no transport.
    """
    if transport is None:
        return 0
    raw = transport.get_extra_info("socket")
    acknowledged = None
    if sys.platform == "linux" and raw is not None:
        with suppress(OSError):  # the socket has just been closed
            acknowledged = bytes_acknowledged(raw.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, TCP_INFO_BYTES))
    return -transport.get_write_buffer_size() if acknowledged is None else acknowledged


def unacknowledged_bytes(transport: asyncio.Transport | None) -> int:
    """Return how many written bytes the peer has not acknowledged yet; 0 if there is no transport.

    On systems that do not count them (all but Linux), only the bytes that are buffered in this process are counted.
    """
    if transport is None:
        return 0
    waiting = transport.get_write_buffer_size()
    raw = transport.get_extra_info("socket")
    if sys.platform != "linux" or raw is None or raw.fileno() < 0:
        return waiting
    import fcntl
    import termios

    try:
        (in_kernel,) = struct.unpack("i", fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))
    except OSError:
        return waiting
    return waiting + int(in_kernel)
