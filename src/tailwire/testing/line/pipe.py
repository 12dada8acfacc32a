"""One direction of a simulated access line: a queue that is sent at a rate, then a fixed latency.

Rules: data arrives in the order in which it was sent, even when the shape changes; a single timer serves all data, and
does not run while there is none; senders that find the queue full wait, and continue in turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

SEGMENT_BYTES = 1460
MAX_PIECE_BYTES = 16_384
MAX_IN_FLIGHT_BYTES = 4_000_000  # limit of data in flight when there is no rate
MAX_PIECE_SECONDS = 0.01  # of line time per piece, unless that is less than a segment


class Pipe:
    """One direction of a line, without limits until `change` sets some.

    Only sizes are stored; what arrives is up to the functions passed to `send`.

    Attributes:
        passed: bytes that have left the queue since the start.
    """

    def __init__(self) -> None:
        self.passed = 0
        self._rate = self._latency = 0.0
        self._queue_seconds = 0.0
        self._queue: deque[tuple[int, Callable[[], None]]] = deque()
        self._queued = 0
        self._began_at = 0.0  # when the head of the queue started to be sent
        self._travelling: deque[tuple[float, int, Callable[[], None]]] = deque()
        self._travelling_bytes = 0
        self._held: deque[Callable[[], None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._moving = False

    @property
    def piece(self) -> int:
        """The most bytes that a sender should send at once; fewer on slow lines, so that connections take turns."""
        return (
            int(min(MAX_PIECE_BYTES, max(SEGMENT_BYTES, self._rate * MAX_PIECE_SECONDS)))
            if self._rate
            else MAX_PIECE_BYTES
        )

    @property
    def full(self) -> bool:
        """Whether the queue is full, so that a sender should wait with `hold`."""
        return self._free_bytes() <= 0

    def change(self, rate: float, queue: float, latency: float) -> None:
        """Set the shape of this direction.

        Data that has left the queue keeps its latency. The piece that is leaving it begins again, at the new rate.

        Args:
            rate: bytes per second; 0 for no limit.
            queue: the size of the queue, in seconds of data at this rate.
            latency: seconds from leaving the queue to the arrival.
        """
        if self._queue or self._travelling:
            self._move()
            self._began_at = asyncio.get_running_loop().time()
        self._rate, self._queue_seconds, self._latency = rate, queue, latency
        if self._queue or self._travelling:
            self._move()

    def send(self, size: int, arrive: Callable[[], None]) -> None:
        """Send `size` bytes, and call `arrive` once when they arrive; at once if there is no limit and no latency.

        The bytes are accepted even if the queue is full.
        """
        if not (self._rate or self._latency or self._queue or self._travelling):
            self.passed += size
            arrive()
            return
        if not self._queue:
            self._began_at = asyncio.get_running_loop().time()
        self._queue.append((size, arrive))
        self._queued += size
        self._move()

    def hold(self, release: Callable[[], None]) -> None:
        """Call `release` once when the queue has capacity again, after the senders that have waited longer."""
        self._held.append(release)

    def clear(self) -> None:
        """Drop all data that is queued or in flight, so that it never arrives, and release waiting senders."""
        self._queue.clear()
        self._travelling.clear()
        self._queued = self._travelling_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._release()
        self._arm()

    def _free_bytes(self) -> float:
        if self._rate:
            return max(self._rate * self._queue_seconds, SEGMENT_BYTES) - self._queued
        return MAX_IN_FLIGHT_BYTES - self._queued - self._travelling_bytes

    def _move(self) -> None:
        if self._moving:  # an arrival sends data or changes the shape
            return
        self._moving = True
        try:
            now = asyncio.get_running_loop().time()
            self._leave_queue(now)
            while self._travelling and self._travelling[0][0] <= now:
                _, size, arrive = self._travelling.popleft()
                self._travelling_bytes -= size
                arrive()
                self._leave_queue(now)
            self._release()
        finally:
            self._moving = False
            self._arm()

    def _leave_queue(self, now: float) -> None:
        while self._queue:
            size, arrive = self._queue[0]
            ends = self._began_at + size / self._rate if self._rate else self._began_at
            if ends > now:
                return
            self._queue.popleft()
            self._queued -= size
            self.passed += size
            self._began_at = ends
            # Keep the order, even if the latency has decreased.
            due = max(ends + self._latency, self._travelling[-1][0] if self._travelling else 0.0)
            self._travelling.append((due, size, arrive))
            self._travelling_bytes += size

    def _release(self) -> None:
        # Release as many senders as fit. Each sends one piece, and is held again if the queue is then full.
        room = self._free_bytes()
        while self._held and room > 0:
            room -= self.piece
            self._held.popleft()()

    def _arm(self) -> None:
        next_at = [self._travelling[0][0]] if self._travelling else []
        if self._queue:
            next_at.append(self._began_at + (self._queue[0][0] / self._rate if self._rate else 0.0))
        elif self._held and not self.full:  # the released ones have nothing to send, or were aborted: others follow
            next_at.append(asyncio.get_running_loop().time())
        if self._timer is not None:
            if next_at and self._timer.when() == min(next_at):
                return
            self._timer.cancel()
            self._timer = None
        if next_at:
            self._timer = asyncio.get_running_loop().call_at(min(next_at), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._move()
