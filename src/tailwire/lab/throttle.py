"""Simulate an overload of a process by stopping it most of the time."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

STOPPED_SECONDS, RUNNING_SECONDS = 0.4, 0.15


class Throttle:
    """Stops and continues a process in turn, so that it runs for about a quarter of the time."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    @property
    def active(self) -> bool:
        """Whether a process is being throttled."""
        return self._task is not None and not self._task.done()

    def begin(self, pid: int) -> None:
        """Start to throttle a process, in a background task, until `end` is called or the process ends.

        Without effect if a process is being throttled already.

        Args:
            pid: the id of the process.

        Raises:
            RuntimeError: on Windows, where a process cannot be stopped.
        """
        if sys.platform == "win32":
            raise RuntimeError("a process cannot be stopped and continued on Windows")
        if not self.active:
            self._task = asyncio.create_task(self._run(pid), name="tailwire lab throttle")

    async def _run(self, pid: int) -> None:
        try:
            while _signal(pid, "SIGSTOP"):
                await asyncio.sleep(STOPPED_SECONDS)  # the process gets no CPU time
                _signal(pid, "SIGCONT")
                await asyncio.sleep(RUNNING_SECONDS)
        finally:
            _signal(pid, "SIGCONT")

    async def end(self) -> None:
        """Stop throttling, and let the process continue. Without effect if no process is being throttled."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])


def _signal(pid: int, name: str) -> bool:
    try:
        os.kill(pid, getattr(signal, name))
    except ProcessLookupError:
        return False
    return True
