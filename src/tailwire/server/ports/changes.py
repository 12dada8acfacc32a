"""Changes of rows that processes keep in memory. Processes are notified of them, and forget outdated rows.

The store writes a change in the transaction that makes it, with an id from the same sequence as messages. A process
learns of the changes of all processes, its own included, in the order of their ids, and before it writes a frame of a
higher id to a socket.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

TRUSTED_SECONDS = 3.0
"""How long the rows in memory count as current without news from the log."""

SEEN = "seen"
"""The kind of the change with which a user came online or went offline. It is not in the log, but in the presence."""

GROUP_REMOVED = "group removed"
"""The kind of the change after which a group has no members; it is sent in addition to `group`."""

SETTINGS = "settings"
"""The kind of the change with which a server reports its settings: the key is the report."""


class Change(NamedTuple):
    """A change of something that processes may keep in memory.

    Attributes:
        id: its place in the log; 0 if it was made by this process, and is not in the log yet.
        kind: what has changed, such as `member` or `token`.
        key: which one, such as `GUID/UID` of a membership.
    """

    id: int
    kind: str
    key: str


OnChanges = Callable[[Sequence[Change] | None], None]
"""Forgets what these changes concern. None means that some changes were missed: it forgets everything."""


class ChangeFeed:
    """Passes changes to everything that keeps rows in memory.

    Attributes:
        complete_at: the time, on the clock of the event loop, at which all changes of the log had been passed on;
            infinite where no other process changes anything.
    """

    def __init__(self) -> None:
        self._listeners: list[OnChanges] = []
        self.complete_at = 0.0

    def listen(self, call: OnChanges) -> None:
        """Call a function with all changes that are reported from now on. It must not block."""
        self._listeners.append(call)

    def report(self, changes: Sequence[Change] | None) -> None:
        """Report changes, oldest first; None if some were missed, so that everything may be outdated."""
        if changes is not None and not changes:
            return
        for call in self._listeners:
            call(changes)

    def is_current(self) -> bool:
        """Return whether the rows in memory count as current."""
        if self.complete_at == math.inf:
            return True
        return asyncio.get_running_loop().time() - self.complete_at <= TRUSTED_SECONDS
