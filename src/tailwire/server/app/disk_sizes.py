"""The sizes on disk, for the metrics."""

from __future__ import annotations

from collections.abc import Callable

from tailwire.server.ports.refusal import Refused
from tailwire.server.store.measures import Measures
from tailwire.server.telemetry.metrics import Sizes

UPLOADS_SECONDS = 60.0
"""How long the size of the uploads is reused: the database has to read a list of all files for it."""


class DiskSizes:
    """Measures the sizes.

    Args:
        free: returns the free bytes of the disk.
        clock: seconds, monotonic.
    """

    def __init__(self, measures: Measures, free: Callable[[], int], clock: Callable[[], float]) -> None:
        self._measures = measures
        self._free = free
        self._clock = clock
        self._uploads = 0
        self._next = 0.0

    async def __call__(self) -> Sizes:
        """Return the sizes. If the store is too busy to tell that of the uploads, the former one is returned."""
        if self._clock() >= self._next:
            self._next = self._clock() + UPLOADS_SECONDS
            try:
                self._uploads = await self._measures.uploads()
            except Refused:
                self._next = self._clock()
        database, log = self._measures.files()
        return Sizes(database, log, self._uploads, self._free())
