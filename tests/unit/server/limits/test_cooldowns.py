"""Who sent too much stays away."""

from __future__ import annotations

from tailwire.server.limits import cooldowns
from tailwire.server.limits.cooldowns import Cooldowns


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_who_flooded_stays_away_for_so_long_and_nobody_else():
    clock = Clock()
    known = Cooldowns(5, clock)
    assert known.remaining("a") == 0.0
    known.start("a")
    clock.now += 2
    assert (known.remaining("a"), known.remaining("b")) == (3.0, 0.0)
    known.start("a")  # again: from now on
    assert known.remaining("a") == 5.0
    clock.now += 5
    assert known.remaining("a") == 0.0


def test_it_keeps_no_more_than_it_needs(monkeypatch):
    monkeypatch.setattr(cooldowns, "MAX_KEYS", 3)
    clock = Clock()
    known = Cooldowns(5, clock)
    for name in "abcd":
        known.start(name)
    assert [known.remaining(name) for name in "abcd"] == [0.0, 5.0, 5.0, 5.0]
    clock.now += 6
    known.start("e")
    assert len(known._until) == 1
