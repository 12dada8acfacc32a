"""When the hub writes, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.server.fanout.holding import LARGE_DELIVERIES, MAX_HOLD_SECONDS, FlushHolding
from tailwire.server.fanout.overload import Overload
from tailwire.server.telemetry.metrics import Metrics

pytestmark = pytest.mark.virtual


class Writes:
    """Notes when the hub writes; each write delivers a number of frames."""

    def __init__(self, deliveries: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.metrics = Metrics()
        self.overload = Overload(self.metrics, self.loop.time, lambda: 0.5, lag=0.0, most_sends=0)
        self.holding = FlushHolding(self.loop, self.metrics, self.overload)
        self.deliveries = deliveries
        self.times: list[float] = []
        self.begin = self.loop.time()

    def flush(self) -> None:
        self.metrics.deliveries += self.deliveries
        self.times.append(round(self.loop.time() - self.begin, 6))

    def schedule(self) -> None:
        self.holding.schedule(self.flush)

    async def one_write(self) -> None:
        self.schedule()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_write_after_a_large_one_is_not_delayed_while_no_message_is_being_stored():
    writes = Writes(LARGE_DELIVERIES)
    for _ in range(3):
        await writes.one_write()
    assert writes.times == [0.0] * 3


async def test_write_after_a_large_one_waits_for_messages_that_are_being_stored():
    writes = Writes(LARGE_DELIVERIES)
    await writes.one_write()
    with writes.overload.sending:
        await writes.one_write()
        await asyncio.sleep(0.001)
        assert len(writes.times) == 1
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert writes.times == [0.0, 0.001]


async def test_write_is_held_for_four_milliseconds_at_most():
    writes = Writes(LARGE_DELIVERIES)
    await writes.one_write()
    with writes.overload.sending:
        await writes.one_write()
        await asyncio.sleep(1)
        assert writes.times == [0.0, MAX_HOLD_SECONDS] == [0.0, 0.004]
    await asyncio.sleep(1)
    assert len(writes.times) == 2


async def test_small_writes_are_not_delayed():
    writes = Writes(LARGE_DELIVERIES - 1)
    await writes.one_write()
    with writes.overload.sending:
        await writes.one_write()
    assert writes.times == [0.0, 0.0]


async def test_held_write_is_released_when_the_send_in_progress_fails():
    writes = Writes(LARGE_DELIVERIES)
    await writes.one_write()

    async def fail():
        with writes.overload.sending:
            await writes.one_write()
            raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        await fail()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert writes.times == [0.0, 0.0]
