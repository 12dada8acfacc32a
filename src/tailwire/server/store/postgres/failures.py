"""Classifies failures of a batch: whether it is sent again, the database cannot write, or one entry is at fault."""

from __future__ import annotations

from enum import Enum, auto

import asyncpg

DECLARED_DEAD = "TW001"
"""Raised by `tailwire_batch_1` for a process that others have declared dead."""
ANOTHER_DATABASE = "TW002"
"""Raised by `tailwire_batch_1` when the start of the store is not the one that the process knows."""


class Failure(Enum):
    """Kinds of failures.

    Attributes:
        LOST: the answer is unknown, and the connection is thrown away; the same batch is sent again.
        BUSY: nothing was done; the same batch is sent again.
        DEAD: nothing was done; this process was declared dead.
        ANOTHER: nothing was done; the database was replaced by an older copy, or another process has noticed that.
        UNABLE: nothing was done, because the database cannot write.
        ENTRY: nothing was done, because an entry of the batch is at fault.
    """

    LOST = auto()
    BUSY = auto()
    DEAD = auto()
    ANOTHER = auto()
    UNABLE = auto()
    ENTRY = auto()


_BUSY_STATES = frozenset({"40001", "40P01", "55P03"})  # serialization, deadlock, lock_timeout
_LOST_CLASSES = ("57", "08", "25P")  # operator intervention and timeouts, connection, sessions that were ended
MISSING_STATES = ("42P01", "42883")
"""No such table or function: the database is being restored."""
_UNABLE_CLASSES = ("53", "58", "XX", "25006", "3D", "28", "42501", *MISSING_STATES)
# out of resources, system, internal, read-only; and at a new connection: no such database, wrong password, no rights


def classify(error: Exception) -> Failure:
    """Return the kind of a failure."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state == DECLARED_DEAD:
            return Failure.DEAD
        if state == ANOTHER_DATABASE:
            return Failure.ANOTHER
        if state in _BUSY_STATES:
            return Failure.BUSY
        if state.startswith(_UNABLE_CLASSES):
            return Failure.LOST if state.startswith("53300") else Failure.UNABLE  # too many connections: soon fewer
        return Failure.LOST if state.startswith(_LOST_CLASSES) else Failure.ENTRY
    if isinstance(error, ValueError | TypeError):  # the driver cannot encode a value
        return Failure.ENTRY
    return Failure.LOST
