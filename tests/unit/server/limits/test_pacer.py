"""An even pace."""

from __future__ import annotations

import pytest

from tailwire.server.limits.pacer import Pacer


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_some_come_at_once_the_others_one_after_the_other_and_too_many_not():
    pacer = Pacer(250, 0.202, Clock())
    turns = [pacer.delay() for _ in range(70)]
    given = [t for t in turns if t is not None]
    assert given[:2] == [0.0, 0.0]  # 4 ms worth, and the next
    assert given == sorted(given)
    assert len(given) == 52
    assert round(given[-1], 3) == 0.2
    assert turns[52:] == [None] * 18


def test_who_is_given_no_turn_takes_none_and_time_makes_room():
    clock = Clock()
    pacer = Pacer(1, 2, clock)
    assert [pacer.delay() for _ in range(4)] == pytest.approx([0.0, 0.996, 1.996, None])
    clock.now += 1
    assert round(pacer.delay(), 6) == 1.996
    assert pacer.delay() is None


def test_no_limit():
    assert [Pacer(0, 3, Clock()).delay() for _ in range(1000)] == [0.0] * 1000
