"""When the log is looked at, on virtual time."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from tailwire.server.fanout.looking import LOOK_SECONDS, OFTEN_LOOK_SECONDS, RECONNECTING_SECONDS, LogPoller
from tailwire.server.ports.log import Look
from tailwire.server.ports.refusal import Refused

pytestmark = pytest.mark.virtual
FOUND = Look(5, 0, 1, 2)


class Stage:
    """A reader of the log, a broker, and the times at which the log was looked at."""

    def __init__(self) -> None:
        self.connected, self.error = True, None
        self.times: list[float] = []
        self.loop = asyncio.get_running_loop()
        self.begin = self.loop.time()
        self.looking = LogPoller(self, lambda: self.connected, self.looked, self.loop)  # type: ignore[arg-type]

    async def look(self) -> Look:
        if self.error is not None:
            raise self.error
        return FOUND

    def looked(self, look: Look, began: float) -> None:
        assert look is FOUND
        self.times.append(round(began - self.begin, 3))


async def test_log_is_polled_once_a_second_and_often_without_a_broker():
    stage = Stage()
    stage.looking.start()
    await asyncio.sleep(3.5 * LOOK_SECONDS)
    assert stage.times == [1.0, 2.0, 3.0]
    stage.connected = False
    await asyncio.sleep(LOOK_SECONDS)  # the pause that had begun ends first
    stage.times.clear()
    await asyncio.sleep(10.5 * OFTEN_LOOK_SECONDS)
    assert 10 <= len(stage.times) <= 11
    await stage.looking.close()


async def test_log_is_polled_within_the_time_of_the_shortest_request():
    stage = Stage()
    stage.looking.start()
    stage.looking.look_within(0.2)
    stage.looking.look_within(0.1)
    stage.looking.look_within(0.15)
    await asyncio.sleep(0.3)
    assert stage.times == [0.1]
    stage.looking.look_within(0.2)
    await asyncio.sleep(0.3)
    assert stage.times == [0.1, 0.5]
    await stage.looking.close()


async def test_log_is_polled_at_once_and_then_often_after_the_broker_is_back():
    """Other processes retry once a second, and what they store without the broker is not announced."""
    stage = Stage()
    stage.looking.start()
    await asyncio.sleep(0.1)
    stage.looking.connection_changed()
    await asyncio.sleep(RECONNECTING_SECONDS + OFTEN_LOOK_SECONDS)
    assert stage.times[0] == 0.1
    assert all(b - a <= 2 * OFTEN_LOOK_SECONDS for a, b in pairwise(stage.times))
    assert not stage.looking.polls_often
    stage.times.clear()
    await asyncio.sleep(3.5 * LOOK_SECONDS)
    assert len(stage.times) == 3
    await stage.looking.close()


@pytest.mark.parametrize("error", [Refused("ERR_UNAVAILABLE"), ValueError("a defect")])
async def test_polling_continues_after_a_failure(error: Exception):
    stage = Stage()
    stage.looking.start()
    stage.error = error
    await asyncio.sleep(1.5 * LOOK_SECONDS)
    stage.error = None
    await asyncio.sleep(LOOK_SECONDS)
    assert stage.times == [2.0]
    await stage.looking.close()


async def test_closed_poller_leaves_no_task():
    stage = Stage()
    await stage.looking.close()  # was never started
    stage.looking.start()
    stage.looking.look_within(5.0)
    await stage.looking.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await asyncio.sleep(10)
    assert stage.times == []
