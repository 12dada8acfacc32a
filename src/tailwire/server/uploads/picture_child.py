"""The child process that decodes pictures (see `child_process`): they come from users and may attack the decoder."""

from __future__ import annotations

import os
import struct
from io import RawIOBase
from pathlib import Path

from tailwire.server.child_process.inside import Bounds, read, serve
from tailwire.server.uploads.thumbnails import make_thumbnail

JOB_HEAD = struct.Struct("!HH")
"""The head of a job. It has the lengths in bytes of the two paths that follow it: of the picture, and of the thumbnail
(0 to measure only)."""
ANSWER_FORMAT = struct.Struct("!BII")
"""An answer: the outcome (`NO_PICTURE`, `MEASURED` or `WITH_THUMBNAIL`), and the width and height in pixels."""
NO_PICTURE, MEASURED, WITH_THUMBNAIL = range(3)

MEMORY_BYTES = 512 * 1024 * 1024
CPU_SECONDS_PER_PICTURE = 10
THUMBNAIL_BYTES = 1024 * 1024
UNUSED_SECONDS = 60.0


def answer(jobs: RawIOBase) -> bytes | None:
    """Read one job, decode its picture, and return the answer. Return None at the end of the input."""
    head = read(jobs, JOB_HEAD.size)
    if len(head) < JOB_HEAD.size:
        return None
    source, target = (os.fsdecode(read(jobs, size)) for size in JOB_HEAD.unpack(head))
    found = make_thumbnail(Path(source), Path(target) if target else None)
    if found is None:
        return ANSWER_FORMAT.pack(NO_PICTURE, 0, 0)
    return ANSWER_FORMAT.pack(WITH_THUMBNAIL if found.has_thumbnail else MEASURED, found.width, found.height)


def main() -> None:
    """Answer the jobs of the parent process until it ends."""
    serve(answer, Bounds(MEMORY_BYTES, THUMBNAIL_BYTES, CPU_SECONDS_PER_PICTURE, UNUSED_SECONDS))


if __name__ == "__main__":
    main()
