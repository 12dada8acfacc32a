"""The types of responses about connections and about the load of a process."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tailwire.server.rest.response_base import Shape, Timestamp

Seconds = float
Moment = float
"""Seconds since 1970, to the millisecond."""


class ConnectionEnd(Shape, kw_only=True):
    """How a connection ended."""

    by: Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["server", "client", "network"]})]
    code: int = 0
    cause: str = ""
    at: Timestamp


class Connection(Shape, kw_only=True):
    """A WebSocket of one process."""

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
    """An entry in the history of a connection: what happened, and when."""

    at: Moment
    kind: str
    detail: str = ""


class ConsoleLink(Shape, kw_only=True):
    """A link to the console: the path to append to the URL of the server, and for how many seconds it is valid."""

    path: str
    seconds: int


class Process(Shape, kw_only=True):
    """The process that handled the request. `servers` is how many servers use its database."""

    name: str
    version: str
    uptime: Seconds
    servers: int


class ListedProcess(Shape, kw_only=True):
    """A server or command that uses the database."""

    id: str
    name: str
    serving: bool
    until: Timestamp = 0
    answers: bool


class Setting(Shape, kw_only=True):
    """A setting of the process. `source` names the argument, environment variable or file it is from, or `default`."""

    name: str
    value: str
    default: str
    source: str
    meaning: str


class LoadSample(Shape, kw_only=True):
    """Measurements of two seconds. Rates are per second; `loopLag`, `sendP50` and `sendP99` are in seconds.

    `sendP50` and `sendP99` are absent if no message was sent in that time.
    """

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
    """Bytes on disk. `free` is the free space on the disk of the data folder."""

    database: int
    write_ahead_log: int = 0
    uploads: int
    free: int


class ProcessStats(Shape, kw_only=True):
    """The load and disk use of one process."""

    process: Process
    sizes: DiskUse
    waiting_deliveries: int
    samples: list[LoadSample]
