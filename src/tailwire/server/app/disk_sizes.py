"""The sizes on disk, for the metrics."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.metrics import Sizes

UPLOADS_SECONDS = 60.0
"""Seconds for which the measured size of the uploads is reused, because measuring it reads the rows of all files."""

MEASURE_TIMEOUT_SECONDS = 2.0
"""Seconds that a request for metrics waits for a database that does not answer."""


class Measures(Protocol):
    """The part of a store that measures its own size."""

    def database(self) -> Awaitable[tuple[int, int | None]]:
        """Return the sizes in bytes of the database and of its write-ahead log; None for a log of unknown size."""

    def uploads(self) -> Awaitable[int]:
        """Return the total size in bytes of all uploaded files."""


class DiskSizes:
    """Measures the sizes on disk. Call and await an instance to get them.

    Args:
        measures: the part of the store that measures its size.
        free: returns the free bytes of the disk with the uploads.
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
        """Return the sizes. Wait for the store for up to `MEASURE_TIMEOUT_SECONDS`.

        If it does not answer in time, the values that it returned last are used; before its first answer, 0.
        """
        with contextlib.suppress(Refused, TimeoutError):
            async with asyncio.timeout(MEASURE_TIMEOUT_SECONDS):
                self._database = await self._measures.database()
                if self._clock() >= self._next:
                    self._uploads = await self._measures.uploads()
                    self._next = self._clock() + UPLOADS_SECONDS
        database, log = self._database
        return Sizes(database, log, self._uploads, self._free())
