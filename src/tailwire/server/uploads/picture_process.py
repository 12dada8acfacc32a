"""Decodes pictures in a child process, so that a decoder that fails, hangs or is attacked does not end the server.

The child also computes without the server's GIL, and only when the processor is free.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Timer

from tailwire.server.ports.uploads import Picture
from tailwire.server.telemetry.logs import log
from tailwire.server.uploads.picture_child import ANSWER, IDLE, JOB, LOW, MEASURED, WITH_THUMBNAIL

IDLE_SECONDS, LOW_SECONDS = 4.0, 20.0
"""How long a picture may take: with priority `IDLE`, and then with `LOW`."""
BUSY_SECONDS = 60.0
"""How long priority `LOW` is used after a picture took too long."""
END_SECONDS = 10.0
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "TEMP")


class _Ended(Exception):
    """The child has ended without an answer."""


class _TooSlow(Exception):
    """The child took too long, and was killed."""


class PictureProcess:
    """Asks a child process about one picture at a time. The child is started for the first, and again after it ended.

    Args:
        module: what the child runs.
        idle_seconds, low_seconds: see `IDLE_SECONDS`.
    """

    def __init__(
        self,
        module: str = "tailwire.server.uploads.picture_child",
        *,
        idle_seconds: float = IDLE_SECONDS,
        low_seconds: float = LOW_SECONDS,
    ) -> None:
        self._module = module
        self._deadlines = {IDLE: idle_seconds, LOW: low_seconds}
        self._one = Lock()
        self._closed = False
        self._busy_until = 0.0
        self._child: subprocess.Popen[bytes] | None = None
        self._priority = IDLE  # of the child

    @property
    def pid(self) -> int | None:
        """Return the process id of the child; None if it is not running."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def make(self, source: Path, target: Path | None) -> Picture | None:
        """Measure a picture, and write a thumbnail. Blocks, so it is called in a thread.

        Args:
            target: the file of the thumbnail; None to measure only.

        Returns:
            See `make_thumbnail`; also None if the child failed at it.
        """
        with self._one:
            try:
                found = self._make(source, target)
            except (OSError, _Ended, _TooSlow) as e:
                if not self._closed:
                    log.warning("a picture was not decoded: %s", e)
                found = None
            if target is not None and (found is None or not found.small):
                target.unlink(missing_ok=True)
            return found

    def _make(self, source: Path, target: Path | None) -> Picture | None:
        paths = [os.fsencode(path.absolute()) if path else b"" for path in (source, target)]
        job = JOB.pack(*map(len, paths)) + b"".join(paths)
        if time.monotonic() < self._busy_until:
            return _picture(self._ask(job, LOW))
        try:
            return _picture(self._ask(job, IDLE))
        except _TooSlow:
            # The child has a limit on processor time as well. So it did not compute for long, but waited for others.
            self._busy_until = time.monotonic() + BUSY_SECONDS
            return _picture(self._ask(job, LOW))

    def _ask(self, job: bytes, priority: str) -> bytes:
        was_running = self.pid is not None
        try:
            return self._ask_once(job, priority)
        except _Ended:
            if not was_running or self._closed or self._code() != 0:
                raise
            return self._ask_once(job, priority)  # it has ended at this moment because it was not used

    def _ask_once(self, job: bytes, priority: str) -> bytes:
        child, late = self._started(priority), Event()

        def end_late() -> None:
            late.set()
            child.kill()

        timer = Timer(self._deadlines[priority], end_late)
        timer.daemon = True
        timer.start()
        try:
            answer = _exchanged(child, job)
        finally:
            timer.cancel()
        if answer is not None:
            return answer
        self._end()
        if late.is_set():
            raise _TooSlow(f"it took more than {self._deadlines[priority]:g} seconds")
        raise _Ended(f"its process ended with {self._code()}")

    def _started(self, priority: str) -> subprocess.Popen[bytes]:
        if self._closed:
            raise _Ended("the server is stopping")
        if self._child is None or self._child.poll() is not None or self._priority != priority:
            self._end()
            # Neither the settings, which may contain secrets, nor the server's open files are inherited.
            environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
            self._priority = priority
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-W", "ignore", "-m", self._module, str(os.getpid()), priority],
                bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
            )  # fmt: skip
        if self._closed:  # meanwhile
            self._child.kill()
        return self._child

    def _code(self) -> int | None:
        return self._child.returncode if self._child is not None else None

    def _end(self) -> None:
        child = self._child
        if child is None:
            return
        child.kill()
        with suppress(subprocess.TimeoutExpired):  # it was killed, but has not ended yet
            child.wait(END_SECONDS)
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()

    def close(self) -> None:
        """End the child, even in the middle of a picture. Blocks until it has ended."""
        self._closed = True
        child = self._child
        if child is not None:
            child.kill()
        with self._one:
            self._end()


def _exchanged(child: subprocess.Popen[bytes], job: bytes) -> bytes | None:
    # The answer; None if the child has ended.
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("the child has no pipes")
    answer = b""
    try:
        child.stdin.write(job)
        while len(answer) < ANSWER.size:
            piece = child.stdout.read(ANSWER.size - len(answer))
            if not piece:
                return None
            answer += piece
    except OSError:
        return None
    return answer


def _picture(answer: bytes) -> Picture | None:
    # The child reads what strangers wrote, so its answer is not trusted either.
    kind, width, height = ANSWER.unpack(answer)
    if kind not in (MEASURED, WITH_THUMBNAIL) or not (width and height):
        return None
    return Picture(width, height, small=kind == WITH_THUMBNAIL)
