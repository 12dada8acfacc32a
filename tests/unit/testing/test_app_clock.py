"""The clock that a test controls fires the timers of its clients as asyncio would."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.testing.app_clock import AppClock


async def test_sleep_does_not_fire_a_timer_that_an_earlier_one_cancelled():
    clock, fired = AppClock(), []
    later = clock.timer(20, lambda: fired.append("later"))
    clock.timer(10, later.cancel)
    clock.sleep(30)
    assert fired == []


async def test_overdue_timers_fire_in_the_order_in_which_they_were_due():
    clock, fired = AppClock(), []
    clock.timer(20, lambda: fired.append("second"))
    clock.timer(10, lambda: fired.append("first"))
    clock.timer(40, lambda: fired.append("not due"))
    clock.sleep(30)
    assert fired == ["first", "second"]
    assert len(clock.timers) == 1


@pytest.mark.parametrize("how", ["advance", "sleep"])
async def test_timer_that_is_not_due_yet_fires_when_it_is(how):
    clock, fired = AppClock(), asyncio.Event()
    clock.timer(3600.5, fired.set)
    if how == "advance":
        await clock.advance(3600)
    else:
        clock.sleep(3600)
    assert not fired.is_set()
    async with asyncio.timeout(10):
        await fired.wait()
    assert clock.timers == {}
