"""The starts of a store. They tell how much of a client's history is that of a database which may be an older copy.

Whenever a server starts, a start is stored: a random mark, and the highest id given out before. The marks and ids of
the last starts are called a trail. A client keeps its position (an id) together with the trail of the server that sent
it. A copy of the database that is restored later does not know the starts after the copy was made. So the newest mark
of the trail that the database knows, and the id with which that start ended, tell how far both histories agree.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

MAX_STARTS = 10_000
TRAIL_STARTS = 8
"""How many starts a trail has. If a restored copy knows none of them, the client's position is not recognised."""
MAX_ID_DIGITS = 20


class KnownStarts:
    """The starts that are stored in a database.

    Args:
        starts: the mark of each start and the id after which it began, oldest first. The last is the current start.

    Attributes:
        trail: the trail of the current start, for clients to keep: `MARK-ID.MARK-ID…`, newest first; "" without starts.
    """

    def __init__(self, starts: Sequence[tuple[str, int]] = ()) -> None:
        self._mark = starts[-1][0] if starts else ""
        self._ends = {mark: end for (mark, _), (_, end) in itertools.pairwise(starts)}
        self.trail = ".".join(f"{mark}-{after}" for mark, after in starts[: -TRAIL_STARTS - 1 : -1])

    def known_until(self, trail: str, message_id: int, last: int) -> int:
        """Return the id up to which a client's history is that of this database.

        Args:
            trail: the trail that the client has kept with its position.
            message_id: the position: the id up to which the client has received everything.
            last: the highest id that this database has given out.

        Returns:
            `message_id` if the histories agree up to there; a lower id if the database is an older copy; -1 if none of
            the starts in the trail is known.
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
