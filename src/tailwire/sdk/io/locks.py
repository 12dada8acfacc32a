"""A file lock that the system releases when the process ends, however it ends."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("tailwire")
_HELD_ERRNOS = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_LOCKED_BYTE = 1 << 30  # Windows makes locked bytes unreadable, so the lock is on a byte far after the text


class LockHeld(Exception):
    """The lock is held by another client.

    Attributes:
        holder: the id of its process, as text; "" if unknown.
    """

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


class FileLock:
    """A file lock, which the constructor acquires without waiting.

    If the file cannot be created or locked, a warning is logged and nothing is locked.

    Args:
        path: the path of the lock file, which is never removed.

    Raises:
        LockHeld: if the lock is held, in this process or another.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        except OSError as e:
            log.warning("%s cannot be created (%s): another process may use the same session", path, e)
            return
        try:
            _take(descriptor)
        except OSError as e:
            if e.errno not in _HELD_ERRNOS:
                log.warning("%s cannot be locked (%s): another process may use the same session", path, e)
                os.close(descriptor)
                return
            os.lseek(descriptor, 0, os.SEEK_SET)  # on Windows it stands at the locked byte
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise LockHeld(holder) from e
        self._descriptor = descriptor
        try:
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, str(os.getpid()).encode())
        except OSError as e:  # such as a full disk: the lock is held nevertheless
            log.warning("%s is locked, but cannot name this process: %s", path, e)

    def release(self) -> None:
        """Release the lock. Further calls do nothing."""
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

    os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
    msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    os.lseek(descriptor, 0, os.SEEK_SET)
