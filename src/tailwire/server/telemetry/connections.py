"""The facts about WebSocket connections that operators can list: open ones, and the last ones that ended.

Each has a history of what has changed about it. Frames that are sent or received are not recorded.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, Protocol

MAX_ENDED_CONNECTIONS = 1000
"""How many connections that have ended are kept in memory; beyond that, the one that ended first is dropped."""
MAX_EVENTS = 50
FIRST_EVENTS = 5
"""How many events at the beginning of a history are always kept. When it is full, the oldest after them is dropped."""
_ENDED_BY = re.compile(r"(server|client|connection lost): ?(\d{4})? ?(.*)")


class ConnectionEvent(NamedTuple):
    """Something that changed about a connection.

    Attributes:
        at: the event loop time.
        kind: what happened: `opened`, `authenticated`, `background`, `foreground`, `token renewed`, `pinged`, `slow`,
            `no longer slow`, `ended`.
        detail: more about it, as a text for people; "" for most kinds.
    """

    at: float
    kind: str
    detail: str = ""


class ConnectionEnd(NamedTuple):
    """How a connection ended.

    Attributes:
        by: who ended it: `server`, `client` or `network`.
        code: the close code of the WebSocket; None if it ended without one.
        cause: why it ended, as a text for people; "" if that is not known.
    """

    by: str
    code: int | None
    cause: str


class ConnectionRow(NamedTuple):
    """A connection. Times are event loop times in seconds.

    Attributes:
        id: its number at this process, in the order in which connections open, from 1 on.
        uid: its user; "" until it has authenticated.
        device, platform: as the client names them.
        address: the IP address of the client.
        features: the features that it was granted (extensions of the protocol, see `wire`), sorted.
        app_state: `foreground` or `background`; "" if the client does not report it.
        slow: whether it takes frames so slowly that less important ones are left out.
        buffered: how many bytes the server has written, but not sent yet.
        opened_at: when it opened.
        heard_at: when bytes were last received from the client.
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
    """Lists the open and the ended connections of this process. See `gateway.connections.OpenConnections`.

    The lists have at most `limit` connections of one user (`uid`) or of all ("" as `uid`), the newest first. With
    `before_number` they continue after the connection with this number. `get` returns None for an unknown number.
    """

    def open_newest_first(self, *, uid: str, before_number: int | None, limit: int) -> list[ConnectionRow]: ...
    def ended_newest_first(self, *, uid: str, before_number: int | None, limit: int) -> list[ConnectionRow]: ...
    def get(self, number: int) -> ConnectionRow | None: ...


def add_event(events: list[ConnectionEvent], at: float, kind: str, detail: str = "") -> None:
    """Add an event to a history. If it has `MAX_EVENTS`, drop the oldest after the first `FIRST_EVENTS`.

    Args:
        events: the history, oldest first.
        at, kind, detail: see `ConnectionEvent`.
    """
    if len(events) >= MAX_EVENTS:
        del events[FIRST_EVENTS]
    events.append(ConnectionEvent(at, kind, detail))


def end_of(ended_by: str) -> ConnectionEnd:
    """Return how a connection ended, read from the text `ended_by` of its socket.

    The text has the form `server: 1000 why`, `client: 1000`, `client: why` or `connection lost: why`. A text in another
    form becomes the cause of an end by the network.
    """
    match = _ENDED_BY.fullmatch(ended_by)
    if match is None:
        return ConnectionEnd("network", None, ended_by)
    by, code, cause = match.groups()
    return ConnectionEnd("network" if by == "connection lost" else by, int(code) if code else None, cause)


class EndedConnections:
    """The last `MAX_ENDED_CONNECTIONS` connections that have ended."""

    def __init__(self) -> None:
        self._rows: deque[ConnectionRow] = deque(maxlen=MAX_ENDED_CONNECTIONS)

    def add(self, row: ConnectionRow) -> None:
        """Add a connection that has just ended. If there are too many, drop the one that ended first."""
        self._rows.append(row)

    def newest(self) -> Iterable[ConnectionRow]:
        """Return all that are kept, the one that ended last first."""
        return reversed(self._rows)
