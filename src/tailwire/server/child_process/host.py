"""Gives jobs to a child process, which is started when the first job comes, and again for a job after it has ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from threading import Event, Lock, Timer

from tailwire.server.child_process.inside import IDLE, LOW

BUSY_SECONDS = 60.0
"""After a job took too long with the priority `IDLE`, jobs are done with `LOW` for this time."""
END_SECONDS = 10.0
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "TEMP")


class ChildEnded(Exception):
    """The child process has ended without an answer to its job."""


class TooSlow(Exception):
    """The child process took too long for its job, and was killed."""


FAILURES = (OSError, ChildEnded, TooSlow)
"""The exceptions that `ChildProcess.ask` may raise."""


class ChildProcess:
    """A child process that does one job at a time. Its methods may be called by several threads.

    Args:
        module: the name of the module that the child runs, which calls `inside.serve`.
        answer_bytes: the size of an answer; all have the same.
        idle_seconds: how long a job may take with the priority `IDLE`. After that, the child is killed, and the job is
            done again with `LOW`.
        low_seconds: how long a job may take with the priority `LOW`.
    """

    def __init__(self, module: str, answer_bytes: int, *, idle_seconds: float, low_seconds: float) -> None:
        self._module = module
        self._answer_bytes = answer_bytes
        self._deadlines = {IDLE: idle_seconds, LOW: low_seconds}
        self._job_lock = Lock()
        self._closed = False
        self._busy_until = 0.0
        self._child: subprocess.Popen[bytes] | None = None
        self._priority = IDLE  # of the child

    @property
    def pid(self) -> int | None:
        """The process id of the child; None if it is not running."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._closed

    def ask(self, job: bytes) -> bytes:
        """Send a job to the child, and return its answer. It blocks, also while another thread's job is done.

        Raises:
            OSError: the child cannot be started.
            ChildEnded: the child has ended without an answer, or `close` was called.
            TooSlow: the child took too long with the priority `LOW`.
        """
        with self._job_lock:
            if time.monotonic() < self._busy_until:
                return self._ask(job, LOW)
            try:
                return self._ask(job, IDLE)
            except TooSlow:
                # The child has a limit on processor time as well: it did not compute for long, but waited for others.
                self._busy_until = time.monotonic() + BUSY_SECONDS
                return self._ask(job, LOW)

    def _ask(self, job: bytes, priority: str) -> bytes:
        was_running = self.pid is not None
        try:
            return self._ask_once(job, priority)
        except ChildEnded:
            if not was_running or self._closed or self._exit_code() != 0:
                raise
            return self._ask_once(job, priority)  # it has ended at this moment because it was not used

    def _ask_once(self, job: bytes, priority: str) -> bytes:
        child, late = self._start_child(priority), Event()

        def end_late() -> None:
            late.set()
            child.kill()

        timer = Timer(self._deadlines[priority], end_late)
        timer.daemon = True
        timer.start()
        try:
            answer = self._exchange(child, job)
        finally:
            timer.cancel()
        if answer is not None:
            return answer
        self._end()
        if late.is_set():
            raise TooSlow(f"it took more than {self._deadlines[priority]:g} seconds")
        raise ChildEnded(f"its process ended with {self._exit_code()}")

    def _exchange(self, child: subprocess.Popen[bytes], job: bytes) -> bytes | None:
        # Returns the answer, or None if the child has ended.
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the child has no pipes")
        answer = b""
        try:
            child.stdin.write(job)
            while len(answer) < self._answer_bytes:
                piece = child.stdout.read(self._answer_bytes - len(answer))
                if not piece:
                    return None
                answer += piece
        except OSError:
            return None
        return answer

    def _start_child(self, priority: str) -> subprocess.Popen[bytes]:
        if self._closed:
            raise ChildEnded("the server is stopping")
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

    def _exit_code(self) -> int | None:
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
        """Kill the child, even in the middle of a job. It blocks until the child has ended, at most `END_SECONDS`."""
        self._closed = True
        child = self._child
        if child is not None:
            child.kill()
        with self._job_lock:
            self._end()
