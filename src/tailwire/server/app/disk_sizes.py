"""The sizes on disk, for the metrics."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.metrics import Sizes

UPLOADS_SECONDS = 60.0
"""How long the size of the uploads is reused: the database has to read a list of all files for it."""

MEASURE_TIMEOUT_SECONDS = 2.0
"""How long a scrape waits for a database that does not answer."""


class Measures(Protocol):
    """The sizes that a store measures of itself."""

    def database(self) -> Awaitable[tuple[int, int | None]]:
        """Return the bytes of the database and of its write-ahead log; None for a log that cannot be measured."""

    def uploads(self) -> Awaitable[int]:
        """Return the bytes of all uploaded files."""


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
        self._database: tuple[int, int | None] = 0, None
        self._next = 0.0

    async def __call__(self) -> Sizes:
        """Return the sizes. For one that the store does not measure in time, the last value is returned, at first 0."""
        with contextlib.suppress(Refused, TimeoutError):
            async with asyncio.timeout(MEASURE_TIMEOUT_SECONDS):
                self._database = await self._measures.database()
                if self._clock() >= self._next:
                    self._uploads = await self._measures.uploads()
                    self._next = self._clock() + UPLOADS_SECONDS
        database, log = self._database
        return Sizes(database, log, self._uploads, self._free())
