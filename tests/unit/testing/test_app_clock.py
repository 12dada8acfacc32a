"""The clock that a test controls fires the timers of its clients as asyncio would."""

from __future__ import annotations

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
