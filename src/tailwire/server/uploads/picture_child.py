"""The process that decodes pictures, which were written by strangers (see `child_process`)."""

from __future__ import annotations

import os
import struct
from io import RawIOBase
from pathlib import Path

from tailwire.server.child_process.inside import Bounds, read, serve
from tailwire.server.uploads.thumbnails import make_thumbnail

JOB_HEAD = struct.Struct("!HH")
"""The lengths in bytes of the two paths that follow: of the picture, and of the thumbnail (0 to measure only)."""
ANSWER_FORMAT = struct.Struct("!BII")
"""The outcome (one of the constants below), the width and the height."""
NO_PICTURE, MEASURED, WITH_THUMBNAIL = range(3)

MEMORY_BYTES = 512 * 1024 * 1024
CPU_SECONDS_PER_PICTURE = 10
THUMBNAIL_BYTES = 1024 * 1024
UNUSED_SECONDS = 60.0


def answer(jobs: RawIOBase) -> bytes | None:
    """Read a job, decode its picture, and return the answer; None at the end of the input."""
    head = read(jobs, JOB_HEAD.size)
    if len(head) < JOB_HEAD.size:
        return None
    source, target = (os.fsdecode(read(jobs, size)) for size in JOB_HEAD.unpack(head))
    found = make_thumbnail(Path(source), Path(target) if target else None)
    if found is None:
        return ANSWER_FORMAT.pack(NO_PICTURE, 0, 0)
    return ANSWER_FORMAT.pack(WITH_THUMBNAIL if found.has_thumbnail else MEASURED, found.width, found.height)


def main() -> None:
    """Serve the parent."""
    serve(answer, Bounds(MEMORY_BYTES, THUMBNAIL_BYTES, CPU_SECONDS_PER_PICTURE, UNUSED_SECONDS))


if __name__ == "__main__":
    main()
