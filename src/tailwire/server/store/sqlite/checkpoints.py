"""Checkpoints: copies what was committed from the write-ahead log into the database file, in a thread of its own.

By default SQLite does that within the commit that finds the log too long. That commit then waits until all pages are on
the disk, which on a busy disk (uploads) takes many times as long as a commit. Only if the log grows faster than the
thread can copy it, the writer's commit still does it, at `MAX_LOG_PAGES`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tailwire.server.telemetry.logs import log

MIN_CHANGES = 500
"""How many changed rows start a checkpoint. They are about 900 pages of the log if each message has its own commit."""
MAX_LOG_PAGES = 4_000
"""How many pages (of 4 KB) the log may have. A commit that exceeds this copies the log itself."""


class Checkpoints:
    """Runs checkpoints in a thread, one at a time.

    Args:
        connect: opens a connection; called in the thread at the first checkpoint.
        writing: the writer's connection. Its changed rows are counted, and its automatic checkpoints are put off.
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
        """Start a checkpoint in the background if `MIN_CHANGES` rows have changed since the last one and none runs."""
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
        """Wait for a running checkpoint, and close the connection."""
        if self._task is not None:
            await asyncio.wait([self._task])
        self.abandon()

    def abandon(self) -> None:
        """Close the connection at once, as if the process had been killed. No checkpoint may be running."""
        if self._connection is not None:
            self._connection.close()
        self._executor.shutdown(wait=False)
