"""The types of responses about connections and about the load of a process."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tailwire.server.rest.response_base import Shape, Timestamp

Seconds = Annotated[float, msgspec.Meta(description="Seconds.")]
Moment = Annotated[float, msgspec.Meta(description="Seconds since 1970, to the millisecond.")]


class ConnectionEnd(Shape, kw_only=True):
    """How a connection ended.

    Attributes:
        by: who ended it.
        code: the close code of the WebSocket; absent if there was none.
        cause: why, in words; "" if the code says it all.
    """

    by: Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["server", "client", "network"]})]
    code: int = 0
    cause: str = ""
    at: Timestamp


class Connection(Shape, kw_only=True):
    """A WebSocket of one process.

    Attributes:
        id: its number at this process.
        uid: absent until it has authenticated.
        device: as the client names it.
        app_state: `foreground` or `background`; absent if the client does not report it.
        last_heard_at: when bytes were last received.
        life: seconds that it has been open, or was.
        buffered: bytes that are written and not sent yet.
        slow: whether so much is buffered that typing and presence are not sent to it.
        end: how it ended; absent while it is open.
    """

    id: str
    uid: str = ""
    device: str = ""
    platform: str = ""
    address: str
    features: list[str]
    app_state: str = ""
    opened_at: Timestamp
    last_heard_at: Timestamp
    life: Seconds
    buffered: int
    slow: bool
    end: ConnectionEnd | None = None


class ConnectionEvent(Shape, kw_only=True):
    """Something that changed about a connection."""

    at: Moment
    kind: str
    detail: str = ""


class ConsoleLink(Shape, kw_only=True):
    """A link to the console: the path behind the URL of the server, and for how many seconds it is valid."""

    path: str
    seconds: int


class Process(Shape, kw_only=True):
    """The process that answers: others on the same database have figures of their own.

    Attributes:
        uptime: seconds since it started.
        servers: how many servers run on the database.
    """

    name: str
    version: str
    uptime: Seconds
    servers: int


class ListedProcess(Shape, kw_only=True):
    """A process on the database.

    Attributes:
        serving: whether it is a server, and not a command.
        until: when its lease ends unless it renews it; absent on SQLite.
        answers: whether it is the process that answers.
    """

    id: str
    name: str
    serving: bool
    until: Timestamp = 0
    answers: bool


class Setting(Shape, kw_only=True):
    """A setting of the process. `source`: an argument, a variable, a file, or `default`."""

    name: str
    value: str
    default: str
    source: str
    meaning: str


class Sample(Shape, kw_only=True):
    """Figures of two seconds; rates are per second. `send…` and `loopLag` are seconds, absent without sends."""

    at: Timestamp
    connections: int
    users: int
    messages: float
    deliveries: float
    frames: float
    requests: float
    refusals: float
    send_p50: float = 0.0
    send_p99: float = 0.0
    loop_lag: float
    level: int


class DiskUse(Shape, kw_only=True):
    """Bytes on disk. `free`: what is left on the disk of the data folder."""

    database: int
    write_ahead_log: int = 0
    uploads: int
    free: int


class ProcessStats(Shape, kw_only=True):
    """Figures of one process."""

    process: Process
    sizes: DiskUse
    waiting_deliveries: int
    samples: list[Sample]
