"""Notes when bytes last moved between this client and its server, on whichever connection.

A line on which bytes move is alive, however long an answer takes: code that waits for an answer checks here before
giving up.
"""

from __future__ import annotations

from collections.abc import Callable


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

    def moved(self) -> None:
        """Note that bytes move now."""
        self.moved_at = self._now()
