"""The connections of this process, as an operator sees them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import count

from tailwire.server.gateway.sockets import Socket
from tailwire.server.telemetry.connections import ConnectionRow, EndedConnections, add_event, end_of


class OpenConnections:
    """Numbers the sockets of this process in the order in which they open, and lists open and ended ones.

    Args:
        clock: the time of the event loop.
        sockets_of: returns the open sockets of a user in this process.
    """

    def __init__(self, clock: Callable[[], float], sockets_of: Callable[[str], Iterable[Socket]]) -> None:
        self._clock, self._sockets_of = clock, sockets_of
        self._numbers = count(1)
        self._sockets: dict[int, Socket] = {}  # by number, ascending
        self._ended = EndedConnections()

    # Called by the gateway.

    def assign_number(self, socket: Socket) -> None:
        """Give a socket the next number, and list it as open."""
        socket.number = next(self._numbers)
        self._sockets[socket.number] = socket
        self.record_change(socket, "opened", socket.address)

    def record_change(self, socket: Socket, kind: str, detail: str = "") -> None:
        """Add an event to the history of a socket, with the present time (see `ConnectionEvent` for the kinds)."""
        add_event(socket.history, self._clock(), kind, detail)

    def keep_ended(self, socket: Socket) -> None:
        """Move a socket that is closed from the open connections to those that ended. Ignore an unknown one."""
        if self._sockets.pop(socket.number, None) is not None:
            self.record_change(socket, "ended", socket.ended_by)
            self._ended.add(_row(socket, self._clock()))

    # Lists for operators.

    def open_newest_first(self, *, uid: str, before_number: int | None, limit: int) -> list[ConnectionRow]:
        """Return open connections, the newest first.

        Args:
            uid: the user whose connections to return; "" for all users.
            before_number: only connections with a lower number, for the next page; None for the first page.
            limit: how many to return at most.
        """
        numbers = sorted(socket.number for socket in self._sockets_of(uid)) if uid else list(self._sockets)
        last = len(numbers) if before_number is None else bisect_left(numbers, before_number)
        chosen = numbers[max(0, last - limit) : last]
        return [_row(self._sockets[number]) for number in reversed(chosen) if number in self._sockets]

    def ended_newest_first(self, *, uid: str, before_number: int | None, limit: int) -> list[ConnectionRow]:
        """Return connections that ended, the last one to end first.

        Args:
            uid: the user whose connections to return; "" for all users.
            before_number: only connections that ended before the one with this number, for the next page; no connection
                if that one is no longer kept. None for the first page.
            limit: how many to return at most.
        """
        found: list[ConnectionRow] = []
        passed = before_number is None
        for row in self._ended.newest():
            if passed and (not uid or row.uid == uid):
                found.append(row)
                if len(found) == limit:
                    break
            passed = passed or row.id == before_number
        return found

    def get(self, number: int) -> ConnectionRow | None:
        """Return the connection with a number, open or ended; None if it never existed or is no longer kept."""
        if number in self._sockets:
            return _row(self._sockets[number])
        return next((row for row in self._ended.newest() if row.id == number), None)


def _row(socket: Socket, ended_at: float = 0.0) -> ConnectionRow:
    state = "background" if socket.background_until else "foreground"
    return ConnectionRow(
        id=socket.number, uid=socket.uid, device=socket.device, platform=socket.platform, address=socket.address,
        features=tuple(sorted(socket.features)), app_state=state if "appState" in socket.features else "",
        slow=socket.slow, buffered=socket.buffered(), opened_at=socket.opened_at, heard_at=socket.heard_at,
        ended_at=ended_at, end=end_of(socket.ended_by) if ended_at else None, events=tuple(socket.history),
    )  # fmt: skip
