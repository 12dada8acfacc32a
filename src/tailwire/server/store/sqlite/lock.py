"""A lock file that allows only one server for each database. The system releases it when the process ends."""

from __future__ import annotations

import os
import re
from pathlib import Path

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

MAX_HOLDER_BYTES = 300
_SERVER_URL = re.compile(r" at (https?://\S+)$")
_LOCKED_BYTE = 1 << 30  # Windows hides a locked range from other processes: lock a byte far after the text


class DatabaseInUse(OSError):
    """Another server uses the database."""


def holder_of(database: Path) -> str:
    """Return the text that the server which uses a database has passed to `ServerLock.write_holder`.

    Returns:
        "" if no server uses the database, or if the lock file cannot be opened.
    """
    try:
        descriptor = os.open(database.with_name(database.name + ".lock"), os.O_RDWR | getattr(os, "O_BINARY", 0))
    except OSError:
        return ""
    try:
        _lock(descriptor)
    except OSError:
        return os.read(descriptor, MAX_HOLDER_BYTES).decode("utf-8", "replace").strip()
    finally:
        os.close(descriptor)
    return ""


def holder_url(database: Path) -> str:
    """Return the URL at which this machine reaches the server that uses a database; "" if no server uses it."""
    match = _SERVER_URL.search(holder_of(database))
    if match is None:
        return ""
    return match.group(1).replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


class ServerLock:
    """The lock of a database. It is taken by creating this object, and held until `release`.

    It is a lock on the file `DATABASE.lock`, which contains a text about the process that holds it.

    Args:
        database: the path of the database. Its folder must exist.

    Raises:
        DatabaseInUse: another process holds the lock.
        OSError: the lock file cannot be created.
    """

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".lock")
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            _lock(self._descriptor)
        except OSError as e:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            holder = os.read(self._descriptor, MAX_HOLDER_BYTES).decode("utf-8", "replace").strip() or "another process"
            os.close(self._descriptor)
            raise DatabaseInUse(
                f"{database.parent} is in use by {holder}: stop that server, or use another --data folder"
            ) from e
        self.write_holder(f"pid {os.getpid()}")

    def write_holder(self, holder: str) -> None:
        """Replace the text in the lock file. Another server that finds the lock held quotes it in its error message.

        Args:
            holder: who holds the lock, such as `pid 7`; cut off after `MAX_HOLDER_BYTES`.
        """
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, holder.encode()[:MAX_HOLDER_BYTES])

    def release(self) -> None:
        """Release the lock. The file is not deleted, because then two servers could lock different files."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # a child process may still hold the descriptor
            os.close(descriptor)


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    import msvcrt

    os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
    msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
