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
"""How long a picture may take: while its process waits until the processor is free, and then with a low priority."""


class PictureProcess:
    """Asks a child process about one picture at a time.

    Args:
        module: the name of the module that the child runs.
        idle_seconds, low_seconds: how long a picture may take: with priority `IDLE`, and then with `LOW`.
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
        """Measure a picture, and write a thumbnail. Blocks, so it is called in a thread.

        Args:
            target: the file of the thumbnail; None to measure only.

        Returns:
            See `make_thumbnail`; also None if the child failed at it.
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
        """End the child, even in the middle of a picture. Blocks until it has ended."""
        self._child.close()


def _picture(answer: bytes) -> Picture | None:
    # The child reads what strangers wrote, so its answer is not trusted either.
    kind, width, height = ANSWER_FORMAT.unpack(answer)
    if kind not in (MEASURED, WITH_THUMBNAIL) or not (width and height):
        return None
    return Picture(width, height, has_thumbnail=kind == WITH_THUMBNAIL)
