"""The starts of a store: which part of a client's history it shares. A restored copy does not know the latest starts.

Each start has a mark and the id after which it began. A client keeps its position together with the trail of the server
that sent it: the marks of the last starts, each with that id. The newest mark that the database knows, and the id after
which the next start began, tell how much history the two share.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

MAX_STARTS = 10_000
TRAIL_STARTS = 8
"""Starts in a trail. If a position is older than the restored copy by more starts than this, it is not recognised."""
MAX_ID_DIGITS = 20


class KnownStarts:
    """The starts that a database knows.

    Args:
        starts: mark and id of each, in order. The last one is the current start.

    Attributes:
        trail: the trail of the current start, for clients to keep; "" without starts.
    """

    def __init__(self, starts: Sequence[tuple[str, int]] = ()) -> None:
        self._mark = starts[-1][0] if starts else ""
        self._ends = {mark: end for (mark, _), (_, end) in itertools.pairwise(starts)}
        self.trail = ".".join(f"{mark}-{after}" for mark, after in starts[: -TRAIL_STARTS - 1 : -1])

    def known_until(self, trail: str, message_id: int, last: int) -> int:
        """Return the id up to which a position belongs to this store: its own id if all of it does, -1 if no part does.

        Args:
            trail: the trail of the start that served this id to the client.
            message_id: the id of the position.
            last: the highest id given out so far.
        """
        for one in trail.split(".", TRAIL_STARTS)[:TRAIL_STARTS]:
            mark, _, after = one.partition("-")
            if mark and mark == self._mark:
                return min(message_id, last)
            if mark in self._ends:
                return min(message_id, self._ends[mark])
            if not (after.isascii() and after.isdigit() and len(after) <= MAX_ID_DIGITS):
                return -1
            message_id = min(message_id, int(after))
        return -1
