"""What a server reads from the clock of PostgreSQL, when the answer takes time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tailwire.server.store.postgres.processes import MAX_ANSWER_SECONDS, Processes
from tailwire.testing.virtual.world import VirtualServerWorld

pytestmark = pytest.mark.virtual


class SlowDatabase:
    """A database whose clock agrees with that of the machine, at the end of a line that takes time in both directions.

    Attributes:
        line: seconds that the line takes in one direction.
        ahead: seconds by which the clock of the database is ahead.
    """

    def __init__(self, world: VirtualServerWorld) -> None:
        self.world = world
        self.line = self.ahead = 0.0

    async def first_row(self, sql: str, values: dict[str, Any], *, urgent: bool) -> tuple[Any, ...]:
        await asyncio.sleep(self.line)
        now = self.world.machine_milliseconds() / 1000 + self.ahead
        await asyncio.sleep(self.line)
        return True, 1, [], [values["mine"]], now


async def test_clock_of_the_database_is_taken_as_read_in_the_middle_of_the_answer_time():
    world = VirtualServerWorld()
    database = SlowDatabase(world)
    processes = Processes(cast(Any, database), cast(Any, SimpleNamespace(process=1, renewed_at=0.0)), world)
    database.line = 0.9 * MAX_ANSWER_SECONDS / 2
    await processes.renew()
    assert abs(processes.clock_offset) < 0.01
    database.ahead = 50.0
    await processes.renew()
    assert abs(processes.clock_offset + 50.0) < 0.01


async def test_answer_that_took_too_long_does_not_change_the_clock_offset():
    world = VirtualServerWorld()
    database = SlowDatabase(world)
    processes = Processes(cast(Any, database), cast(Any, SimpleNamespace(process=1, renewed_at=0.0)), world)
    database.line, database.ahead = 1.1 * MAX_ANSWER_SECONDS / 2, 50.0
    await processes.renew()
    assert processes.clock_offset == 0.0
