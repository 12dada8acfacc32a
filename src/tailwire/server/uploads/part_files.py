"""Incomplete files: uploads are written to them while they arrive.

If a process ends before its files are complete, another one removes them.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO
from weakref import finalize

from tailwire.server import private_files
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.uploads import Picture
from tailwire.server.telemetry.logs import log
from tailwire.server.uploads.picture_process import PictureProcess
from tailwire.server.uploads.threads import QueueFull, Threads

RETRY_AFTER_SECONDS = 10.0
WRITE_BACK_BYTES = 256 * 1024
HEAD_BYTES = 4096
"""How many bytes of the start of a file are kept in memory, to determine its type."""
WRITE_THREADS = 1
MAX_PENDING_WRITES, MAX_PENDING_THUMBNAILS, MAX_PENDING_MEASURES = 200, 16, 200


def _begin_write_back(file: BinaryIO, start: int) -> None:
    # Otherwise a large file goes to the disk all at once when it is complete, and commits of the store wait behind it.
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), start, 0, os.POSIX_FADV_DONTNEED)


def unavailable_refusal(verb: str = "stored") -> Refused:
    """Return a refusal with ERR_UNAVAILABLE.

    Args:
        verb: what cannot be done with the file now: `stored`, `read` or `removed`.
    """
    return Refused(
        "ERR_UNAVAILABLE", f"The file cannot be {verb} now. Try again later.", retry_after=RETRY_AFTER_SECONDS
    )


@contextmanager
def unavailable_on_error(verb: str = "stored") -> Iterator[None]:
    """Turn `OSError` and `QueueFull` within the context into `Refused` with ERR_UNAVAILABLE. Log an `OSError`.

    A full or read-only disk, or a lack of file descriptors, is a failure of the server and not of the request.

    Args:
        verb: what was to be done with the file: `stored`, `read` or `removed`.
    """
    try:
        yield
    except OSError as e:
        log.error("a file cannot be %s: %s", verb, e)
        raise unavailable_refusal(verb) from e
    except QueueFull as e:
        raise unavailable_refusal(verb) from e


def _try_lock(descriptor: int) -> bool:
    # Whether the lock was free. It is released when the descriptor is closed, even if that is when the process ends.
    if sys.platform == "win32":
        return True  # an open file cannot be removed there
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class PartFolder:
    """A folder in which several processes may write incomplete files.

    While a process has incomplete files, it holds a lock on a file `.NAME.lock`, and the names of its files begin with
    `.NAME-`. The lock ends with the process, so `sweep` can tell which files belong to processes that have ended.

    Attributes:
        path: the folder.
        writers: the threads that write to the disk.
        pictures: the process that makes thumbnails.
        measures: another process, which only measures pictures while too many wait for `pictures`.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.writers = Threads("uploads", WRITE_THREADS, MAX_PENDING_WRITES)
        self.pictures = _Pictures("pictures", MAX_PENDING_THUMBNAILS)
        self.measures = _Pictures("measures", MAX_PENDING_MEASURES)
        self._number = self._open = 0
        self._name = ""
        self._unlock: Callable[[], object] | None = None

    def open(self) -> str:
        """Return a prefix for the names of a new file and its thumbnail. The caller must call `release` once.

        Creates the folder if it is missing, and takes the lock unless this process has it.

        Raises:
            Refused: ERR_UNAVAILABLE, the disk is full or fails.
        """
        with unavailable_on_error():
            private_files.make_folder(self.path)
            if self._unlock is None:
                self._lock()
        self._open += 1
        self._number += 1
        return f".{self._name}-{self._number}"

    def release(self) -> None:
        """End what `open` began, after a file was completed or discarded. The last call releases the lock."""
        self._open -= 1
        if not self._open and self._unlock is not None:
            unlock, self._unlock = self._unlock, None
            unlock()

    def _lock(self) -> None:
        while self._unlock is None:
            name = secrets.token_hex(8)
            path = self.path / f".{name}.lock"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, private_files.FILE)
            # Another process that sweeps may have taken the file before it was locked.
            if _try_lock(descriptor) and (sys.platform == "win32" or os.fstat(descriptor).st_nlink):
                self._name = name
                self._unlock = finalize(self, _release, descriptor, path)
            else:
                os.close(descriptor)

    def sweep(self) -> None:
        """Remove the incomplete files of processes that have ended. Blocks."""
        if not self.path.exists():
            return
        # Listed before the locks: what a process begins meanwhile is left alone.
        incomplete = list(self.path.glob(".*.part"))
        used = set()
        for path in self.path.glob(".*.lock"):
            if not _remove_lock(path):
                used.add(path.name.removesuffix(".lock"))
        for path in incomplete:
            if path.name.partition("-")[0] not in used:
                with suppress(PermissionError):  # Windows: the file is open
                    path.unlink(missing_ok=True)
        if private_files.is_loose(self.path):
            private_files.tighten([self.path, *self.path.iterdir()])

    async def close(self) -> None:
        """Stop the threads and the processes that decode pictures."""
        self.writers.close()
        await self.pictures.close()
        await self.measures.close()


class _Pictures:
    # A process that decodes pictures, with a queue.

    def __init__(self, name: str, max_pending: int) -> None:
        self.process = PictureProcess()
        self._threads = Threads(name, 1, max_pending)  # waits for the process

    async def make(self, source: Path, target: Path | None, is_dropped: Callable[[], bool]) -> Picture | None:
        # Raises QueueFull.
        return await self._threads.run(partial(self._make, source, target, is_dropped))

    def _make(self, source: Path, target: Path | None, is_dropped: Callable[[], bool]) -> Picture | None:
        # In a thread. Meanwhile the file may be dropped, because its client has disconnected.
        if is_dropped():
            return None
        try:
            return self.process.make(source, target)
        finally:
            if target is not None and is_dropped():
                target.unlink(missing_ok=True)

    async def close(self) -> None:
        self._threads.close()
        await asyncio.get_running_loop().run_in_executor(None, self.process.close)


def _remove_lock(path: Path) -> bool:
    # Remove the lock file of a process if the process has ended. Return whether it has.
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True  # another process has just removed it
    except OSError:
        return False
    try:
        if not _try_lock(descriptor):
            return False
        path.unlink(missing_ok=True)
    except PermissionError:
        return False  # Windows: a process has it open
    finally:
        os.close(descriptor)
    return True


def _release(descriptor: int, path: Path) -> None:
    if sys.platform != "win32":
        path.unlink(missing_ok=True)
    os.close(descriptor)
    if sys.platform == "win32":
        path.unlink(missing_ok=True)


class PartFile:
    """A file that is being written (`ports.uploads.Sink`). It is created with this object.

    A derived class adds `keep`.

    Attributes:
        first_bytes: its first bytes, at most `HEAD_BYTES`.
        size: how many bytes were written.

    Raises:
        Refused: ERR_UNAVAILABLE, the disk is full or fails.
    """

    def __init__(self, folder: PartFolder) -> None:
        self._folder = folder
        self._kept = self._dropped = False
        self._file: BinaryIO | None = None
        name = folder.open()
        self._path = folder.path / f"{name}.part"
        self._thumbnail_path = folder.path / f"{name}-small.part"
        try:
            with unavailable_on_error():
                self._file = private_files.open_new(self._path)
        except BaseException:
            self.drop()
            raise
        self.first_bytes = b""
        self.size = self._writing_back = 0

    def write(self, data: bytes) -> None:
        """Append bytes to the file. Runs in the event loop's thread, because the page cache takes them fast.

        Raises:
            Refused: ERR_UNAVAILABLE, the disk is full or fails.
            ValueError: the file is finished.
        """
        if self._file is None:
            raise ValueError("the file is finished")
        if len(self.first_bytes) < HEAD_BYTES:
            self.first_bytes += data[: HEAD_BYTES - len(self.first_bytes)]
        with unavailable_on_error():
            self._file.write(data)
            self.size += len(data)
            if self.size - self._writing_back >= WRITE_BACK_BYTES:
                _begin_write_back(self._file, self._writing_back)
                self._writing_back = self.size

    async def finish(self, *, durably: bool = True) -> None:
        """Flush and close the file, in a thread.

        Args:
            durably: True to sync it, so that it survives a loss of power; False to leave that to the system.

        Raises:
            Refused: ERR_UNAVAILABLE, the disk fails or too many writes wait. The file is discarded.
            ValueError: the file is finished already.
        """
        file, self._file = self._file, None
        if file is None:
            raise ValueError("the file is finished")

        def store() -> None:
            with file:
                file.flush()
                if durably:
                    os.fsync(file.fileno())

        await self._run_in_thread(store, file.close)

    async def measure_picture(self) -> Picture | None:
        """Measure the file as a picture, and make its thumbnail. Call this after `finish`.

        If too many thumbnails are pending, the picture is only measured.

        Returns:
            None if the file is not a readable picture, or if too many pictures wait even to be measured.
        """
        try:
            return await self._folder.pictures.make(self._path, self._thumbnail_path, self._is_dropped)
        except QueueFull:
            with suppress(QueueFull):
                return await self._folder.measures.make(self._path, None, self._is_dropped)
        return None

    def _is_dropped(self) -> bool:
        return self._dropped

    async def _run_in_thread(self, work: Callable[[], None], on_failure: Callable[[], None] | None = None) -> None:
        try:
            with unavailable_on_error():
                await self._folder.writers.run(work)
        except Refused:
            if on_failure is not None:
                with suppress(OSError):  # the file is discarded anyway
                    on_failure()
            self.drop()
            raise

    def drop(self) -> None:
        """Delete the file and its thumbnail unless they were kept. May be called at any time, and repeatedly."""
        first, self._dropped = not self._dropped, True  # before anything is removed: see `_Pictures._make`
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # the file is discarded anyway
                file.close()
        if not self._kept:
            self._path.unlink(missing_ok=True)
            self._thumbnail_path.unlink(missing_ok=True)
        if first:
            self._folder.release()
