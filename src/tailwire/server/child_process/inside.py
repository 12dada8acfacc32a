"""Serves jobs in a child process, which reads them from its standard input and answers on its standard output.

On POSIX systems its memory and processor time are limited and its priority is low; on Linux it can be restricted to
idle processors (`IDLE`). It ends with the server: immediately on Linux, elsewhere once its input is closed.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path

IDLE, LOW = "idle", "low"
"""Priorities: `IDLE` computes only when no other process wants the processor; `LOW` is used if that takes too long."""
LOW_NICENESS, LEAST_NICENESS = 10, 19
PR_SET_PDEATHSIG = 1

Answerer = Callable[[RawIOBase], bytes | None]
"""Reads one job and returns its answer; None at the end of the input."""


@dataclass(frozen=True)
class Bounds:
    """What a child process may use.

    Attributes:
        memory: bytes of memory.
        file: bytes of each file that it writes.
        processor_seconds: the processor time of one job.
        unused_seconds: how long it waits for a job. Then it ends, and the server starts another for the next one.
    """

    memory: int
    file: int
    processor_seconds: int
    unused_seconds: float = 60.0


def lower_priority(priority: str) -> None:
    """Let other processes go first.

    With `IDLE`, Linux interrupts this process at once when another thread becomes ready. A thread of the same kind as
    the server's, however nice, may keep the processor for milliseconds.
    """
    if os.name != "posix":
        return
    os.nice(LOW_NICENESS if priority == LOW else LEAST_NICENESS)
    if priority == IDLE and sys.platform == "linux":
        with suppress(OSError):  # forbidden by a sandbox
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _limit_resources(bounds: Bounds) -> None:
    # When the machine has no memory left, this process is ended first.
    if os.name != "posix":
        return
    import resource

    for what, most in (
        (resource.RLIMIT_AS, bounds.memory),
        (resource.RLIMIT_FSIZE, bounds.file),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(OSError, ValueError):  # not every system has every limit
            resource.setrlimit(what, (most, most))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _limit_time(seconds: int) -> None:
    # Bound the processor time from now on. The kernel then ends this process.
    if os.name != "posix":
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + seconds, hard))


def _end_with(parent: int) -> None:
    # End with the server, even in the middle of a job. On systems other than Linux, end with the input.
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.name == "posix":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the server still finishes its requests
            signal.signal(number, signal.SIG_IGN)
        if os.getppid() != parent:
            sys.exit(1)


def read(jobs: RawIOBase, size: int) -> bytes:
    """Return the next `size` bytes of the input; fewer only at its end."""
    data = b""
    while len(data) < size and (piece := jobs.read(size - len(data))):
        data += piece
    return data


def _has_input(jobs: RawIOBase, seconds: float) -> bool:
    # The input is not buffered: what was not read is in the pipe.
    return os.name != "posix" or bool(select.select([jobs], [], [], seconds)[0])


def serve(answer: Answerer, bounds: Bounds) -> None:
    """Serve the parent until it closes the pipe, or has no job for a while.

    The arguments of the process are the parent's process id and a priority (`IDLE` or `LOW`).

    Args:
        answer: reads a job from the input, and returns its answer.
        bounds: what this process may use from now on.
    """
    _, parent, priority = sys.argv
    _end_with(int(parent))
    lower_priority(priority)
    _limit_resources(bounds)
    with (
        open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as jobs,
        open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as answers,
    ):
        while _has_input(jobs, bounds.unused_seconds):
            _limit_time(bounds.processor_seconds)
            answered = answer(jobs)
            if answered is None:
                return
            answers.write(answered)
