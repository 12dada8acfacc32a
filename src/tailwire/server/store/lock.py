"""One server a database: a lock that the system holds for the process, and that ends with it, however it ends."""

from __future__ import annotations

import os
from pathlib import Path

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

MAX_READ = 300
_FAR = 1 << 30  # what is locked on Windows cannot be read by others: a byte far behind the text


class InUse(OSError):
    """Another server has the database."""


class ServerLock:
    """The lock of a database: `tailwire.db.lock` beside it, with who has it as text.

    Args:
        database: the file. Its folder must exist.

    Raises:
        InUse: saying who has it.
        OSError: when the lock file cannot be made.
    """

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".lock")
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            _take(self._descriptor)
        except OSError as e:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            holder = os.read(self._descriptor, MAX_READ).decode("utf-8", "replace").strip() or "another process"
            os.close(self._descriptor)
            raise InUse(
                f"{database.parent} is in use by {holder}: stop that server, or give another --data folder"
            ) from e
        self.note(f"pid {os.getpid()}")

    def note(self, holder: str) -> None:
        """Write who has it, for whoever is refused."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, holder.encode()[:MAX_READ])

    def release(self) -> None:
        """Let go. The file stays: it would be another one for whoever waits for this one."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # a child process may still have the file open
            os.close(descriptor)


def _take(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    import msvcrt

    os.lseek(descriptor, _FAR, os.SEEK_SET)
    msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
