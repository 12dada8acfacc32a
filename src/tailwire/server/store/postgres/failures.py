"""Classifies errors of a batch of writes: send it again, report that the database cannot write, or blame an entry."""

from __future__ import annotations

from enum import Enum, auto

import asyncpg

DECLARED_DEAD = "TW001"
"""The SQLSTATE with which `tailwire_batch_1` refuses a process that others have declared dead."""
ANOTHER_DATABASE = "TW002"
"""The SQLSTATE with which `tailwire_batch_1` refuses a process that does not know the current start (see `starts`)."""


class Failure(Enum):
    """What the error of a batch means.

    Attributes:
        LOST: it is unknown whether the batch was carried out. Close the connection, and send the same batch again.
        BUSY: nothing was done, because of a lock or a conflict. Send the same batch again.
        DEAD: nothing was done, because this process was declared dead. Register it again first.
        ANOTHER: nothing was done, because the database seems to be an older copy, or another process has found that it
            is. Read the current start again first.
        UNABLE: nothing was done, because the database cannot write.
        ENTRY: nothing was done, because one of the entries is invalid.
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
"""The SQLSTATEs of a missing table or function, which means that the database is being restored."""
_UNABLE_CLASSES = ("53", "58", "XX", "25006", "3D", "28", "42501", *MISSING_STATES)
# out of resources, system, internal, read-only; and at a new connection: no such database, wrong password, no rights


def classify(error: Exception) -> Failure:
    """Return what an error means that a batch, or any other statement, has raised."""
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
