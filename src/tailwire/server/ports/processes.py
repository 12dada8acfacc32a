"""The processes on one database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple


class ProcessRow(NamedTuple):
    """A process that uses the database.

    Attributes:
        serving: whether it is a server, and not a command.
        until: when its lease, that is, its right to write, ends unless it is renewed, in seconds since 1970; None on
            SQLite, where only one server runs.
        answers: whether it is the process that called `ListProcesses`.
    """

    id: int
    name: str
    serving: bool
    until: int | None
    answers: bool


ListProcesses = Callable[[], Awaitable[list[ProcessRow]]]
"""Returns the processes that use the database now, servers and commands."""
