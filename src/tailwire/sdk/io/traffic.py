"""Record when bytes last moved between this client and its server, on any connection.

Bytes that move show that the network works, however long a response takes; so code that waits for a response consults
this record before it gives up.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from tailwire.wire.tcp_info import TCP_INFO_BYTES, bytes_acknowledged


def not_counted() -> None:
    """Do nothing: the default for connections whose traffic is not tracked."""


class Traffic:
    """Records when bytes last moved.

    Args:
        now: returns the time, in seconds on the clock of the connection machine.

    Attributes:
        moved_at: when this process last wrote or read bytes, or noticed that the peer had acknowledged some; 0.0 before
            the first time.
        passed_at: when this process last wrote or read bytes; 0.0 before the first time. Unlike in `moved_at`,
            acknowledgements do not count, because the time at which they arrived is not known.
        awaited: number of requests without a complete response.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.moved_at: float = 0.0
        self.passed_at: float = 0.0
        self.awaited: int = 0
        self._watched: WeakKeyDictionary[Any, tuple[Any, int]] = WeakKeyDictionary()

    def record_movement(self) -> None:
        """Record that this process writes or reads bytes now."""
        self.moved_at = self.passed_at = self._now()

    def watch(self, stream: Any) -> None:
        """Include a connection in `check_acknowledged`, if the system reports acknowledged bytes (Linux).

        On a slow line, a chunk of an upload that the system has buffered takes many seconds to leave, and nothing but
        the acknowledgements shows its progress.

        Args:
            stream: a connection of the HTTP library, which is referenced weakly.
        """
        raw = stream.get_extra_info("socket")
        acknowledged = _acknowledged(raw)
        if acknowledged is not None:
            self._watched[stream] = raw, acknowledged

    def check_acknowledged(self, *, only_from_now: bool = False) -> None:
        """Set `moved_at` to now if a peer has acknowledged more bytes since the last check.

        Args:
            only_from_now: do not set it, so that the next check counts only acknowledgements from now on.
        """
        for stream, (raw, before) in list(self._watched.items()):
            acknowledged = _acknowledged(raw)
            if acknowledged is None:
                del self._watched[stream]
            elif acknowledged > before:
                self._watched[stream] = raw, acknowledged
                if not only_from_now:
                    self.moved_at = self._now()


def _acknowledged(raw: Any) -> int | None:
    # None if the system does not count, or the socket is closed.
    if sys.platform not in ("linux", "android") or raw is None:
        return None
    try:
        return bytes_acknowledged(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES))
    except OSError:
        return None
