"""The process that decodes pictures: `python -m tailwire.server.uploads.picture_child PARENT PRIORITY`.

It reads jobs from its standard input and answers on its standard output. What it decodes was written by strangers, so
it is bounded in memory and time, computes only when the processor is free, and ends with the server, however that ends.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import struct
import sys
from contextlib import suppress
from io import RawIOBase
from pathlib import Path

from tailwire.server.uploads.thumbnails import make_thumbnail

JOB = struct.Struct("!HH")
"""Bytes of the two paths that follow: of the picture, and of the thumbnail (0 to measure only)."""
ANSWER = struct.Struct("!BII")
"""The outcome (one of the constants below), the width and the height."""
NO_PICTURE, MEASURED, WITH_THUMBNAIL = range(3)

IDLE, LOW = "idle", "low"
"""Computes only when nobody else wants the processor; or with a low priority, if that never happens."""
LOW_NICENESS, LEAST_NICENESS = 10, 19
MEMORY_BYTES = 512 * 1024 * 1024
CPU_SECONDS_PER_PICTURE = 10
THUMBNAIL_BYTES = 1024 * 1024
UNUSED_SECONDS = 60.0  # then it ends, and the server starts another for the next picture
PR_SET_PDEATHSIG = 1


def lower_priority(priority: str) -> None:
    """Let all other processes go first.

    With `IDLE`, Linux interrupts this process at once when another thread becomes ready. A thread of the same kind as
    the server's, however nice, may keep the processor for milliseconds.
    """
    if os.name != "posix":
        return
    os.nice(LOW_NICENESS if priority == LOW else LEAST_NICENESS)
    if priority == IDLE and sys.platform == "linux":
        with suppress(OSError):  # forbidden by a sandbox
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def limit_resources() -> None:
    """Bound the memory, and the size of files. When the machine has no memory left, this process is ended first."""
    if os.name != "posix":
        return
    import resource

    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, THUMBNAIL_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(OSError, ValueError):  # not every system has every limit
            resource.setrlimit(what, (most, most))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def limit_time() -> None:
    """Bound the processor time from now on. The kernel then ends this process."""
    if os.name != "posix":
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS_PER_PICTURE
    resource.setrlimit(resource.RLIMIT_CPU, (most, hard))


def end_with(parent: int) -> None:
    """End with the server, even in the middle of a picture. On systems other than Linux, end with the input."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.name == "posix":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the server still finishes its requests
            signal.signal(number, signal.SIG_IGN)
        if os.getppid() != parent:
            sys.exit(1)


def serve(jobs: RawIOBase, answers: RawIOBase) -> None:
    """Answer jobs until the input ends, or nothing has arrived for a while."""
    while _has_input(jobs) and len(head := _read(jobs, JOB.size)) == JOB.size:
        source, target = (os.fsdecode(_read(jobs, size)) for size in JOB.unpack(head))
        limit_time()
        found = make_thumbnail(Path(source), Path(target) if target else None)
        if found is None:
            answer = ANSWER.pack(NO_PICTURE, 0, 0)
        else:
            answer = ANSWER.pack(WITH_THUMBNAIL if found.small else MEASURED, found.width, found.height)
        answers.write(answer)


def _read(jobs: RawIOBase, size: int) -> bytes:
    # Less than `size` only at the end of the input.
    data = b""
    while len(data) < size and (piece := jobs.read(size - len(data))):
        data += piece
    return data


def _has_input(jobs: RawIOBase) -> bool:
    # The input is not buffered: what was not read is in the pipe.
    return os.name != "posix" or bool(select.select([jobs], [], [], UNUSED_SECONDS)[0])


def main() -> None:
    """Serve the parent until it closes the pipe."""
    _, parent, priority = sys.argv
    end_with(int(parent))
    lower_priority(priority)
    limit_resources()
    with (
        open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as jobs,
        open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as answers,
    ):
        serve(jobs, answers)


if __name__ == "__main__":
    main()
