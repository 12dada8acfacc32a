"""Who sent too much stays away."""

from __future__ import annotations

from tailwire.server.limits import floods
from tailwire.server.limits.cooldowns import Cooldowns


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_who_flooded_stays_away_for_so_long_and_nobody_else():
    clock = Clock()
    known = Cooldowns(5, clock)
    assert known.wait("a") == 0.0
    known.flooded("a")
    clock.now += 2
    assert (known.wait("a"), known.wait("b")) == (3.0, 0.0)
    known.flooded("a")  # again: from now on
    assert known.wait("a") == 5.0
    clock.now += 5
    assert known.wait("a") == 0.0


def test_it_keeps_no_more_than_it_needs(monkeypatch):
    monkeypatch.setattr(floods, "MAX_KEYS", 3)
    clock = Clock()
    known = Cooldowns(5, clock)
    for name in "abcd":
        known.flooded(name)
    assert [known.wait(name) for name in "abcd"] == [0.0, 5.0, 5.0, 5.0]
    clock.now += 6
    known.flooded("e")
    assert len(known._until) == 1
