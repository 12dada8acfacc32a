"""Decodes pictures in a child process, so that a decoder that fails, hangs or is attacked does not end the server.

The child also computes without the server's GIL, and only when the processor is free.
"""

from __future__ import annotations

import os
from pathlib import Path

from tailwire.server.child_process.host import FAILURES, ChildProcess
from tailwire.server.ports.uploads import Picture
from tailwire.server.telemetry.logs import log
from tailwire.server.uploads.picture_child import ANSWER_FORMAT, JOB_HEAD, MEASURED, WITH_THUMBNAIL

IDLE_SECONDS, LOW_SECONDS = 4.0, 20.0
"""How many seconds a picture may take: first in a process that only computes when the processor is free, and if that is
too slow, in one with a low priority."""


class PictureProcess:
    """Has a child process decode one picture at a time. It is started when it is needed.

    Args:
        module: the name of the module that the child runs.
        idle_seconds, low_seconds: how many seconds a picture may take: first with the priority `IDLE` (only when the
            processor is free), and if that is too slow, again with `LOW`.
    """

    def __init__(
        self,
        module: str = "tailwire.server.uploads.picture_child",
        *,
        idle_seconds: float = IDLE_SECONDS,
        low_seconds: float = LOW_SECONDS,
    ) -> None:
        self._child = ChildProcess(module, ANSWER_FORMAT.size, idle_seconds=idle_seconds, low_seconds=low_seconds)

    @property
    def pid(self) -> int | None:
        """The process id of the child; None if it is not running."""
        return self._child.pid

    def make(self, source: Path, target: Path | None) -> Picture | None:
        """Measure a picture, and write a thumbnail as a JPEG. Blocks, so it is called in a thread.

        Args:
            source: the file of the picture.
            target: the file of the thumbnail; None to measure only.

        Returns:
            The size, and whether a thumbnail was written; None if the file is not a readable picture, or the child
            failed or was too slow. Without a thumbnail no file `target` is left.
        """
        paths = [os.fsencode(path.absolute()) if path else b"" for path in (source, target)]
        try:
            found = _picture(self._child.ask(JOB_HEAD.pack(*map(len, paths)) + b"".join(paths)))
        except FAILURES as e:
            if not self._child.closed:
                log.warning("a picture was not decoded: %s", e)
            found = None
        if target is not None and (found is None or not found.has_thumbnail):
            target.unlink(missing_ok=True)
        return found

    def close(self) -> None:
        """Kill the child, even in the middle of a picture, and refuse further ones. Blocks until it has ended."""
        self._child.close()


def _picture(answer: bytes) -> Picture | None:
    # The child reads what strangers wrote, so its answer is not trusted either.
    kind, width, height = ANSWER_FORMAT.unpack(answer)
    if kind not in (MEASURED, WITH_THUMBNAIL) or not (width and height):
        return None
    return Picture(width, height, has_thumbnail=kind == WITH_THUMBNAIL)
