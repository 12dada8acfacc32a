"""Checkpoints: what was committed is copied from the write-ahead log into the database file, alongside the writer.

SQLite would do it within the commit that finds the log too long: that commit would wait until all pages are on the
disk, and on a busy disk (uploads) that takes many times as long as a commit. So a thread with a connection of its own
does it. A log that grows faster than the thread can copy it is still copied by the writer's commit, at `MAX_LOG_PAGES`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tailwire.server.telemetry.logs import log

MIN_CHANGES = 500
"""Changed rows after which a checkpoint begins: some 900 pages of the log if each message has its own commit."""
MAX_LOG_PAGES = 4_000
"""Pages (of 4 KB) after which a commit copies the log itself, so that the log stays bounded."""


class Checkpoints:
    """Runs checkpoints in a thread, one at a time.

    Args:
        connect: opens a connection, at the first checkpoint.
        writing: the writer's connection, whose changed rows are counted.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], writing: sqlite3.Connection) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._writing = writing
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="tailwire-checkpoint")
        self._changes_copied = writing.total_changes
        self._task: asyncio.Task[None] | None = None
        writing.execute(f"PRAGMA wal_autocheckpoint = {MAX_LOG_PAGES}")

    def begin_if_due(self) -> None:
        """Begin a checkpoint if enough has changed since the last one and none is running."""
        changes = self._writing.total_changes
        if self._task is None and changes - self._changes_copied >= MIN_CHANGES:
            self._changes_copied = changes
            self._task = asyncio.get_running_loop().create_task(self._run(), name="tailwire checkpoint")

    async def _run(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._copy)
        except sqlite3.Error as e:
            # Nothing is lost: the log is kept, and the writer reports a disk that fails.
            log.warning("the write-ahead log could not be copied into the database, and will be later: %s", e)
        finally:
            self._task = None

    def _copy(self) -> None:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    async def close(self) -> None:
        """Finish a running checkpoint, and close the connection."""
        if self._task is not None:
            await asyncio.wait([self._task])
        self.abandon()

    def abandon(self) -> None:
        """Close the connection immediately, as the end of the process would. It must be idle."""
        if self._connection is not None:
            self._connection.close()
        self._executor.shutdown(wait=False)
