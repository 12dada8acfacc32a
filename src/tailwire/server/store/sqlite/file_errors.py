"""Recognises failures of the database file: the disk is full, the file is read-only, locked or damaged."""

from __future__ import annotations

import sqlite3

_FILE_ERRORS = frozenset({
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
})  # fmt: skip


def is_file_error(error: BaseException) -> bool:
    """Return True for a failure of the file, which would affect any operation; False for an error of one operation."""
    return isinstance(error, sqlite3.Error) and (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _FILE_ERRORS
