"""Paced arrivals."""

from __future__ import annotations

import pytest

from tailwire.server.limits.pacer import Pacer


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_arrivals_above_a_small_burst_are_delayed_and_above_the_longest_delay_refused():
    pacer = Pacer(250, 0.202, Clock())
    turns = [pacer.delay() for _ in range(70)]
    granted = [t for t in turns if t is not None]
    assert granted[:2] == [0.0, 0.0]  # arrivals within 4 ms, and the next one
    assert granted == sorted(granted)
    assert len(granted) == 52
    assert round(granted[-1], 3) == 0.2
    assert turns[52:] == [None] * 18


def test_rejected_caller_does_not_consume_a_slot():
    clock = Clock()
    pacer = Pacer(1, 2, clock)
    assert [pacer.delay() for _ in range(4)] == pytest.approx([0.0, 0.996, 1.996, None])
    clock.now += 1
    assert round(pacer.delay(), 6) == 1.996
    assert pacer.delay() is None


def test_pacer_without_a_rate_delays_nobody():
    assert [Pacer(0, 3, Clock()).delay() for _ in range(1000)] == [0.0] * 1000


def test_slower_pace_lasts_until_the_normal_one_is_restored():
    clock = Clock()
    pacer = Pacer(10, 60, clock)
    pacer.slow_down(2.0)
    clock.now += 1
    assert [pacer.delay() for _ in range(3)] == pytest.approx([0.0, 0.196, 0.396])
    pacer.slow_down(1.0)
    assert [pacer.delay() for _ in range(2)] == pytest.approx([0.596, 0.696])
