"""The facts about connections that the server keeps: the open ones, and the last ones that ended, with histories.

Nothing is recorded when a frame is sent or received, only when something about a connection changes.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, Protocol

MAX_ENDED_CONNECTIONS = 1000
"""How many of the connections that ended last are kept."""
MAX_EVENTS = 50
FIRST_EVENTS = 5
"""The first events of a connection, which are kept when later ones are dropped."""
_ENDED_BY = re.compile(r"(server|client|connection lost): ?(\d{4})? ?(.*)")


class ConnectionEvent(NamedTuple):
    """Something that changed about a connection.

    Attributes:
        at: seconds of the event loop's clock.
        kind: what happened: `opened`, `authenticated`, `background`, `foreground`, `token renewed`, `pinged`, `slow`,
            `no longer slow`, `ended`.
        detail: more about it; "" for most kinds.
    """

    at: float
    kind: str
    detail: str = ""


class ConnectionEnd(NamedTuple):
    """How a connection ended.

    Attributes:
        by: who ended it: `server`, `client` or `network`.
        code: the close code of the WebSocket; None without one.
        cause: why, as a text; "" if it is not known.
    """

    by: str
    code: int | None
    cause: str


class ConnectionRow(NamedTuple):
    """A connection. Times are seconds of the event loop's clock.

    Attributes:
        id: its number at this process.
        uid: "" until it has authenticated.
        device, platform: as the client names them.
        address: the IP address of the client.
        features: the features of the client (see `wire`).
        app_state: `foreground` or `background`; "" if the client does not report it.
        slow: whether it takes frames so slowly that less important ones are left out.
        buffered: how many bytes are written and not sent yet.
        heard_at: when the client was last heard from.
        ended_at: when it ended; 0 while it is open.
        end: how it ended; None while it is open.
        events: its history, oldest first.
    """

    id: int
    uid: str
    device: str
    platform: str
    address: str
    features: tuple[str, ...]
    app_state: str
    slow: bool
    buffered: int
    opened_at: float
    heard_at: float
    ended_at: float
    end: ConnectionEnd | None
    events: tuple[ConnectionEvent, ...]


class Connections(Protocol):
    """Lists the connections of this process: open or ended ones, or one by its number; None if it is not known.

    Lists can be limited to one user (`uid`; "" for all), and begin after a connection (`before_number`; None for all).
    """

    def open_newest_first(self, *, uid: str, before_number: int | None, limit: int) -> list[ConnectionRow]: ...
    def ended_newest_first(self, *, uid: str, before_number: int | None, limit: int) -> list[ConnectionRow]: ...
    def get(self, number: int) -> ConnectionRow | None: ...


def add_event(events: list[ConnectionEvent], at: float, kind: str, detail: str = "") -> None:
    """Add an event to a history, which keeps the first events and the newest."""
    if len(events) >= MAX_EVENTS:
        del events[FIRST_EVENTS]
    events.append(ConnectionEvent(at, kind, detail))


def end_of(ended_by: str) -> ConnectionEnd:
    """Return how a connection ended, from the text of its socket: `server: 1000 why`, `client: 1000`, or a cause."""
    match = _ENDED_BY.fullmatch(ended_by)
    if match is None:
        return ConnectionEnd("network", None, ended_by)
    by, code, cause = match.groups()
    return ConnectionEnd("network" if by == "connection lost" else by, int(code) if code else None, cause)


class EndedConnections:
    """The connections that ended last."""

    def __init__(self) -> None:
        self._rows: deque[ConnectionRow] = deque(maxlen=MAX_ENDED_CONNECTIONS)

    def add(self, row: ConnectionRow) -> None:
        """Keep a connection that has ended; the oldest one is dropped if there are too many."""
        self._rows.append(row)

    def newest(self) -> Iterable[ConnectionRow]:
        """Return those that are kept, the last one to end first."""
        return reversed(self._rows)
