"""Writes lines to a stream in a thread, so that a slow or stopped reader of the stream never delays the server."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import TextIO

MAX_WAITING_LINES = 20_000
BATCH_SECONDS = 0.05
"""How long the thread waits after each write. It writes all lines of that time at once."""
CLOSE_SECONDS = 2.0


def dropped_lines(count: int) -> str:
    """Return the text that reports how many lines were dropped."""
    return f"{count} log lines were dropped, because the log was read too slowly or could not be written"


class LineWriter:
    """Writes lines in order, in a daemon thread that the first line starts.

    If too many lines wait, further ones are dropped, and a line with their number is written later.

    Args:
        stream: where to write them.
        most: how many lines may wait.
        report: returns the line that reports how many were dropped.

    Attributes:
        dropped: how many lines were dropped, or could not be written, since that was last reported.
    """

    def __init__(
        self, stream: TextIO, most: int = MAX_WAITING_LINES, report: Callable[[int], str] = dropped_lines
    ) -> None:
        self._report = report
        self._stream = stream
        try:  # without the stream's buffer, whose lock would be held while the process ends and the log is not read
            self._descriptor: int | None = stream.fileno()
        except (OSError, ValueError):
            self._descriptor = None
        self._most = most
        self._lines: deque[str] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.dropped = 0

    def write(self, line: str) -> None:
        """Queue a line to be written soon. After `close`, write it at once, which may block.

        Args:
            line: the line, without a line break at its end.
        """
        if self._closing.is_set():
            self._lines.append(line)
            self._write_all()
            return
        if len(self._lines) >= self._most:
            self.dropped += 1
            return
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tailwire log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set() or self._lines:
            self._wake.wait()
            self._wake.clear()
            self._write_all()
            self._closing.wait(BATCH_SECONDS)

    def _write_all(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        dropped, self.dropped = self.dropped, 0
        if dropped:
            lines.append(self._report(dropped))
        if not lines:
            return
        try:
            self._put("".join(f"{line}\n" for line in lines))
        except (OSError, ValueError):  # the disk is full, or the reader is gone: there is nowhere to report it now
            self.dropped += len(lines)

    def _put(self, text: str) -> None:
        if self._descriptor is None:
            self._stream.write(text)
            self._stream.flush()
            return
        left = memoryview(text.encode("utf-8", "backslashreplace"))
        while left:
            left = left[os.write(self._descriptor, left) :]

    def close(self) -> None:
        """Wait until the queued lines are written, for at most `CLOSE_SECONDS`. Blocks."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)
