"""Holds frames without a message, such as reactions, until the messages stored before them have been delivered."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from tailwire.server.fanout.local import LocalDelivery
from tailwire.server.fanout.order import Order
from tailwire.server.ports.broker import FramePublication, MembershipChange

MAX_HELD_FRAMES = 10_000
HELD_SECONDS = 1.0


class HeldFrames:
    """A queue of frames, such as reactions and receipts, which may refer to a message that is not delivered yet.

    Frames keep their order. Each is held for at most `HELD_SECONDS`, and then delivered even if the messages before it
    could not be read from the store. If there are more than `MAX_HELD_FRAMES`, the oldest is delivered at once.

    Args:
        local: delivers the frames.
    """

    def __init__(self, local: LocalDelivery, loop: asyncio.AbstractEventLoop) -> None:
        self._local = local
        self._loop = loop
        # For each frame: the id of the log and the time until which it is held, its subject, and the frame.
        self._held: deque[tuple[int, float, str, FramePublication | MembershipChange]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def deliver_or_hold(
        self, order: Order[Any], subject: str, publication: FramePublication | MembershipChange
    ) -> None:
        """Deliver a publication at once, or hold it until all messages known to be stored now have been delivered.

        A droppable frame (typing, presence) is never held.

        Args:
            order: tells which ids of the log are known, and which of them have been delivered.
            subject: the subject of the publication.
            publication: the publication.
        """
        behind = order.behind or bool(self._held)
        droppable = isinstance(publication, FramePublication) and publication.droppable
        if not behind or droppable or subject not in self._local.subjects:
            self._local.deliver(subject, publication)
            return
        until = self._loop.time() + HELD_SECONDS
        self._held.append((order.highest, until, subject, publication))
        if len(self._held) > MAX_HELD_FRAMES:
            self._deliver_first()
        if self._timer is None:
            self._timer = self._loop.call_at(self._held[0][1], self._release_old)

    def _deliver_first(self) -> None:
        _, _, subject, publication = self._held.popleft()
        self._local.deliver(subject, publication)

    @property
    def has_frames(self) -> bool:
        """Whether any frame is held."""
        return bool(self._held)

    def numbers(self) -> set[int]:
        """Return the numbers (in the change log) of the changes whose frames are held; 0 stands for other frames."""
        return {p.number for _, _, _, p in self._held if isinstance(p, FramePublication)}

    def release(self, end: int) -> None:
        """Deliver the held frames that waited only for messages with ids up to `end`, which have been delivered."""
        while self._held and self._held[0][0] <= end:
            self._deliver_first()

    def _release_old(self) -> None:
        self._timer = None
        while self._held and self._held[0][1] <= self._loop.time():
            self._deliver_first()
        if self._held:
            self._timer = self._loop.call_at(self._held[0][1], self._release_old)

    def close(self) -> None:
        """Drop the held frames without delivering them."""
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
