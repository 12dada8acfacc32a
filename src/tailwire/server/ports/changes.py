"""Changes of rows that processes keep in memory. Processes are notified of them, and forget outdated rows.

The store writes a row for each such change in the transaction that makes it, with an id from the same sequence as
messages. A process is notified of the changes of all processes, its own included, in the order of their ids, and before
it writes a frame with a higher id to a socket.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

TRUSTED_SECONDS = 3.0
"""How long rows in memory count as current after `ChangeFeed.complete_at`."""

SEEN = "seen"
"""The kind of a change of when a user was last online. The store does not write it: each process makes it itself when
presence tells it that the user came online or went offline."""

GROUP_REMOVED = "group removed"
"""The kind of a change that deleted a group, which has no members from then on. A change of kind `group` is reported
too."""

SETTINGS = "settings"
"""The kind of the change with which a server reports its settings to the others. Its key is the report, as JSON."""


class Change(NamedTuple):
    """A change of something that processes may keep in memory.

    Attributes:
        id: its id, which gives its place among messages and changes; 0 if this process reports it only to itself.
        kind: the kind of thing that has changed, such as `member` or `token`.
        key: which one has changed, such as `GUID/UID` of a membership.
    """

    id: int
    kind: str
    key: str


OnChanges = Callable[[Sequence[Change] | None], None]
"""Drops from memory the rows that the given changes concern. None means that changes were missed: it drops all."""


class ChangeFeed:
    """Passes changes to everything in this process that keeps rows in memory.

    Attributes:
        complete_at: the latest time, by the clock of the event loop, for which it is known that all changes committed
            before it were passed on; infinite where no other process changes anything.
    """

    def __init__(self) -> None:
        self._listeners: list[OnChanges] = []
        self.complete_at = 0.0

    def listen(self, call: OnChanges) -> None:
        """Add a function that `report` calls from now on, in the thread of its caller. It must not block."""
        self._listeners.append(call)

    def report(self, changes: Sequence[Change] | None) -> None:
        """Pass changes to all listeners at once.

        Args:
            changes: the changes, oldest first; None if some were missed, so that everything may be outdated.
        """
        if changes is not None and not changes:
            return
        for call in self._listeners:
            call(changes)

    def is_current(self) -> bool:
        """Return whether the rows in memory are current, or at most `TRUSTED_SECONDS` out of date."""
        if self.complete_at == math.inf:
            return True
        return asyncio.get_running_loop().time() - self.complete_at <= TRUSTED_SECONDS
