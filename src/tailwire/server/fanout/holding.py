"""Decides when the hub writes frames to sockets: at the end of an event loop turn, or a few milliseconds later.

Writing to a thousand sockets costs more than storing a message. So after such a large write, the next one waits for the
messages that are being stored, so that each socket gets them with one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tailwire.server.fanout.overload import Overload
from tailwire.server.telemetry.metrics import Metrics

MAX_HOLD_SECONDS = 0.004
LARGE_DELIVERIES = 200
"""A flush that delivers at least this many frames is a large one: the next one may be delayed."""


class FlushHolding:
    """Schedules the hub's flush, with a delay after a large one while requests to send messages are in progress.

    Args:
        metrics: its count of deliveries tells how large a flush was.
        overload: knows how many sends are in progress, and calls this object when the last of them ends.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, metrics: Metrics, overload: Overload) -> None:
        self._loop = loop
        self._metrics = metrics
        self._overload = overload
        self._was_large = False
        self._held: asyncio.TimerHandle | None = None
        self._flush: Callable[[], None] | None = None
        overload.on_last_send(self._release)

    def schedule(self, flush: Callable[[], None]) -> None:
        """Schedule one call of `flush`, in the next turn of the event loop or up to `MAX_HOLD_SECONDS` later."""
        self._flush = flush
        self._loop.call_soon(self._write_or_hold)

    def _write_or_hold(self) -> None:
        if self._was_large and self._overload.sends_in_progress and self._held is None:
            self._held = self._loop.call_later(MAX_HOLD_SECONDS, self._write)
        else:
            self._write()

    def _release(self) -> None:
        if self._held is not None:
            self._held.cancel()
            self._held = None
            self._loop.call_soon(self._write)  # after the response to the sender

    def _write(self) -> None:
        self._held = None
        flush, self._flush = self._flush, None
        if flush is None:
            return
        before = self._metrics.deliveries
        flush()
        self._was_large = self._metrics.deliveries - before >= LARGE_DELIVERIES
