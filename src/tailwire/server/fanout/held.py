"""Holds unstored frames until the messages that were stored before them have been passed."""

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
    """Frames such as reactions and receipts, which may refer to a message that comes soon, and those that follow them.

    No frame is held for longer than `HELD_SECONDS`: if the store does not answer, it is delivered nevertheless. Nor are
    more than `MAX_HELD_FRAMES` held: the oldest is then delivered before its turn.

    Args:
        local: delivers the frames whose turn has come.
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
        """Deliver a publication at once, or as soon as everything known to be stored now has been passed.

        A droppable frame is never held.
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
        """Whether a frame is held."""
        return bool(self._held)

    def numbers(self) -> set[int]:
        """Return the numbers of the changes that are held."""
        return {p.number for _, _, _, p in self._held if isinstance(p, FramePublication)}

    def release(self, end: int) -> None:
        """Deliver the frames that were held until the log passes an id up to `end`."""
        while self._held and self._held[0][0] <= end:
            self._deliver_first()

    def _release_old(self) -> None:
        self._timer = None
        while self._held and self._held[0][1] <= self._loop.time():
            self._deliver_first()
        if self._held:
            self._timer = self._loop.call_at(self._held[0][1], self._release_old)

    def close(self) -> None:
        """Drop the held frames."""
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
