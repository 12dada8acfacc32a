"""Tokens that are refused after flooding."""

from __future__ import annotations

from tailwire.server.limits import cooldowns
from tailwire.server.limits.cooldowns import Cooldowns


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_cooldown_refuses_only_its_own_token_and_only_for_the_set_time():
    clock = Clock()
    known = Cooldowns(5, clock)
    assert known.seconds_left("a") == 0.0
    known.start("a")
    clock.now += 2
    assert (known.seconds_left("a"), known.seconds_left("b")) == (3.0, 0.0)
    known.start("a")  # the time starts again
    assert known.seconds_left("a") == 5.0
    clock.now += 5
    assert known.seconds_left("a") == 0.0


def test_expired_and_excess_keys_are_evicted(monkeypatch):
    monkeypatch.setattr(cooldowns, "MAX_KEYS", 3)
    clock = Clock()
    known = Cooldowns(5, clock)
    for name in "abcd":
        known.start(name)
    assert [known.seconds_left(name) for name in "abcd"] == [0.0, 5.0, 5.0, 5.0]
    clock.now += 6
    known.start("e")
    assert len(known._until) == 1
