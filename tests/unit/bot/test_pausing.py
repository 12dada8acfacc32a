"""Time that is spent waiting for the server does not count towards the time limit of a handler."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.bot.pausing import paused

pytestmark = pytest.mark.virtual
SECONDS = 60.0


async def test_each_wait_extends_the_limit_by_its_duration():
    now = asyncio.get_running_loop().time
    async with asyncio.timeout(SECONDS) as limit:
        began = now()
        for wait in (100, 200):
            await asyncio.sleep(10)
            with paused(limit):
                await asyncio.sleep(wait)
        assert limit.when() == pytest.approx(began + SECONDS + 300)


async def test_overlapping_waits_count_from_the_first_start_to_the_last_end():
    now = asyncio.get_running_loop().time

    async def wait(after: float, seconds: float) -> None:
        await asyncio.sleep(after)
        with paused(limit):
            await asyncio.sleep(seconds)

    async with asyncio.timeout(SECONDS) as limit:
        began = now()
        await asyncio.gather(wait(10, 30), wait(20, 100))
        assert limit.when() == pytest.approx(began + SECONDS + 110)


async def test_handler_without_a_limit_gets_none():
    async with asyncio.timeout(None) as limit:
        with paused(limit):
            await asyncio.sleep(1)
        assert limit.when() is None
