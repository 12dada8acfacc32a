"""Runs in a child process: reads jobs from the standard input, and writes the answers to the standard output.

On POSIX systems the memory and processor time of the process are limited and its priority is low; on Linux it can be
restricted to idle processors (`IDLE`). It ends with the server: at once on Linux, elsewhere when its input is closed.
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
"""The priorities of the process. With `IDLE` it runs only when no other process wants the processor.

`LOW` is used if a job takes too long with `IDLE`.
"""
LOW_NICENESS, LEAST_NICENESS = 10, 19
PR_SET_PDEATHSIG = 1

Answerer = Callable[[RawIOBase], bytes | None]
"""A function that reads one job from the input and returns its answer, or None at the end of the input."""


@dataclass(frozen=True)
class Bounds:
    """The limits of a child process.

    Attributes:
        memory: how many bytes of address space it may use.
        file: how many bytes a file that it writes may have.
        processor_seconds: how much processor time one job may take. After that, the system ends the process.
        unused_seconds: how long it waits for a job. After that, it ends; the server starts another for the next job.
    """

    memory: int
    file: int
    processor_seconds: int
    unused_seconds: float = 60.0


def lower_priority(priority: str) -> None:
    """Lower the priority of this process, so that other processes run first. Do nothing on systems other than POSIX.

    With `IDLE`, Linux also uses another scheduling class (`SCHED_IDLE`): it interrupts this process at once when
    another thread becomes ready. A process of the normal class, even with the lowest priority, may keep the processor
    for milliseconds.

    Args:
        priority: `IDLE` or `LOW`.
    """
    if os.name != "posix":
        return
    os.nice(LOW_NICENESS if priority == LOW else LEAST_NICENESS)
    if priority == IDLE and sys.platform == "linux":
        with suppress(OSError):  # forbidden by a sandbox
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _limit_resources(bounds: Bounds) -> None:
    # Limits memory and files, and lets the system end this process first when it has no memory left.
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
    # Limits the processor time from now on: after these seconds, the kernel ends this process.
    if os.name != "posix":
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + seconds, hard))


def _end_with(parent: int) -> None:
    # Makes this process end when the server ends, on Linux even in the middle of a job. Signals for the server's group
    # of processes are ignored.
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.name == "posix":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the server still finishes its requests
            signal.signal(number, signal.SIG_IGN)
        if os.getppid() != parent:
            sys.exit(1)


def read(jobs: RawIOBase, size: int) -> bytes:
    """Read the next `size` bytes of the input. It blocks until they have arrived; only at the end it returns fewer."""
    data = b""
    while len(data) < size and (piece := jobs.read(size - len(data))):
        data += piece
    return data


def _has_input(jobs: RawIOBase, seconds: float) -> bool:
    # Waits for input. This works because the input is not buffered: what was not read yet is in the pipe.
    return os.name != "posix" or bool(select.select([jobs], [], [], seconds)[0])


def serve(answer: Answerer, bounds: Bounds) -> None:
    """Do jobs until the parent process closes the pipe, or sends no job for `bounds.unused_seconds`. Then return.

    The process must have been started by `ChildProcess`: its arguments are the parent's process id and a priority.

    Args:
        answer: reads a job from the input, and returns its answer.
        bounds: the limits of this process from now on.
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
