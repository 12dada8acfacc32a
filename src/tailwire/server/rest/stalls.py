"""Which connections do not move: bodies that do not come, answers that are not taken.

Bytes that move count, in either direction, over a window: a slow line is not a stalled one. What waits for the server
is never too slow.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass

from tailwire.server.rest.protocol import HttpProtocol

WINDOW_SECONDS = 30.0
GRACE_SECONDS = 1.0


@dataclass(slots=True)
class _Look:
    # When a window began, what had moved then, and the rate of the window before it.
    since: float
    moved: int
    rate: float


class StallDetector:
    """Watches what is under way.

    Args:
        under_way: connections with a request that is under way, and since when, longest first; those that are done are
            taken out.
        least_rate: bytes a second that have to move, on average over `WINDOW_SECONDS`; 0 for any.
    """

    def __init__(self, under_way: MutableMapping[HttpProtocol, float], least_rate: int) -> None:
        self._under_way = under_way
        self._least = least_rate
        self._looks: dict[HttpProtocol, _Look] = {}

    def look(self, now: float) -> list[HttpProtocol]:
        """Return those that are too slow. Call it each second or so."""
        before, self._looks = self._looks, {}
        slow: list[HttpProtocol] = []
        for connection, since in list(self._under_way.items()):
            if now - since < GRACE_SECONDS:
                break
            if connection.is_done:
                del self._under_way[connection]
            if not connection.waits_for_client:
                continue
            moved = connection.moved()
            look = before.get(connection) or _Look(now, moved, float(max(1, self._least)))
            if now - look.since >= WINDOW_SECONDS:
                rate = (moved - look.moved) / (now - look.since)
                look = _Look(now, moved, rate)
                if rate < self._least:
                    slow.append(connection)
            self._looks[connection] = look
        return slow

    def slowest(self, count: int, now: float, *, crawling: bool = False) -> list[HttpProtocol]:
        """Return so many of those that wait for their clients, slowest first.

        Args:
            crawling: only those that have moved less than the least rate since they were last looked at.
        """
        if count <= 0:
            return []
        least = float(max(1, self._least))
        rates: list[tuple[float, int, HttpProtocol]] = []
        for n, connection in enumerate(self._under_way):
            if connection.waits_for_client:
                rate = self._rate(connection, now)
                if rate < least or not crawling:
                    rates.append((rate, n, connection))
        rates.sort(key=lambda entry: entry[:2])
        return [connection for _, _, connection in rates[:count]]

    def _rate(self, connection: HttpProtocol, now: float) -> float:
        look = self._looks.get(connection)
        if look is None:  # it has just begun: by what came of its body; an answer gets the benefit of the doubt
            begun = max(GRACE_SECONDS, now - self._under_way[connection])
            return connection.body_received / begun if connection.body_is_due else float(max(1, self._least))
        seconds = now - look.since
        return (connection.moved() - look.moved) / seconds if seconds >= GRACE_SECONDS else look.rate
