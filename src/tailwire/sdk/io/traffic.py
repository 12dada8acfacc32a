"""Notes when bytes last moved between this client and its server, on whichever connection.

A line on which bytes move is alive, however long an answer takes: code that waits for an answer checks here before
giving up.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from tailwire.wire.tcp_info import SIZE, bytes_acknowledged


def not_counted() -> None:
    """Do nothing: the default for connections whose traffic is not tracked."""


class Traffic:
    """When bytes last moved.

    Args:
        now: seconds, on the clock of the connection machine.

    Attributes:
        moved_at: when bytes last came in, or were taken by the network on their way out; 0.0 before the first.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.moved_at = 0.0
        self._watched: WeakKeyDictionary[Any, tuple[Any, int]] = WeakKeyDictionary()

    def moved(self) -> None:
        """Note that bytes move now."""
        self.moved_at = self._now()

    def watch(self, stream: Any) -> None:
        """Let `look` ask the system for what the network takes of a connection.

        The piece of an upload that the system has taken leaves on a slow line for many seconds, and nothing else of
        this process shows that it does.

        Args:
            stream: a connection of the HTTP library; it is watched as long as the library keeps it.
        """
        raw = stream.get_extra_info("socket")
        acknowledged = _acknowledged(raw)
        if acknowledged is not None:
            self._watched[stream] = raw, acknowledged

    def look(self, *, only_from_now: bool = False) -> None:
        """Ask the system whether something has been taken since the last look, and note it as moved now.

        Args:
            only_from_now: take what has moved until now for known, and note nothing.
        """
        for stream, (raw, before) in list(self._watched.items()):
            acknowledged = _acknowledged(raw)
            if acknowledged is None:
                del self._watched[stream]
            elif acknowledged > before:
                self._watched[stream] = raw, acknowledged
                if not only_from_now:
                    self.moved()


def _acknowledged(raw: Any) -> int | None:
    # None where the system does not count, and for a socket that is closed.
    if sys.platform not in ("linux", "android") or raw is None:
        return None
    try:
        return bytes_acknowledged(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, SIZE))
    except OSError:
        return None
