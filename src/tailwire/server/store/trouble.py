"""When the file cannot be written: full, read-only, locked, unreadable. Not the fault of whoever asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.logs import log

COME_BACK = 2.0
_OF_THE_FILE = frozenset({
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
})  # fmt: skip


def is_of_the_file(error: BaseException) -> bool:
    """Whether an error is the file's, and not that of an operation on it."""
    return isinstance(error, sqlite3.Error) and (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _OF_THE_FILE


class Trouble:
    """Whether the file can be written. Says in the log when that changes."""

    def __init__(self) -> None:
        self.now = ""
        self._failed = 0
        self._told: Callable[[], None] = lambda: None

    def listen(self, told: Callable[[], None]) -> None:
        """Call a function after each transaction that could not be written."""
        self._told = told

    def failed(self, error: BaseException) -> Refused:
        """A transaction could not be written; what those are told who asked for it."""
        if not self.now:
            log.error("the store cannot write: %s; requests that write are answered 503 until it can", error)
        self.now = str(error)
        self._failed += 1
        self._told()
        return Refused("ERR_UNAVAILABLE", "Nothing was stored. Try again after Retry-After.", retry_after=COME_BACK)

    def worked(self) -> None:
        """A transaction was written."""
        if self.now:
            log.warning("the store writes again; %d transactions failed", self._failed)
            self.now, self._failed = "", 0
