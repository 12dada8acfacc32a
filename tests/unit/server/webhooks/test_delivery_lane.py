"""When a delivery is tried again."""

from __future__ import annotations

import itertools

import pytest

from tailwire.server.webhooks.delivery_lane import RetryPolicy

DAY = 86_400


def tries(retries: RetryPolicy, chance: float) -> list[int]:
    """The seconds at which a delivery is tried that never works."""
    times, now = [0], 0
    while (due := retries.next_try(len(times), 0, now, chance)) is not None:
        assert len(times) < 1000
        times.append(now := due)
    return times


def test_the_first_two_are_the_documented_ones_and_the_last_is_at_the_end():
    for chance in (0.0, 0.5, 0.999):
        times = tries(RetryPolicy(DAY, 3600), chance)
        assert times[:3] == [0, 10, 40]
        assert times[-1] == DAY


def test_gaps_double_up_to_the_longest_and_chance_moves_them_by_a_fifth():
    times = tries(RetryPolicy(DAY, 3600), 0.5)
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps[:9] == [10, 30, 60, 120, 240, 480, 960, 1920, 3600]
    assert set(gaps[9:-1]) == {3600}
    retries = RetryPolicy(DAY, 3600)
    assert (retries.next_try(3, 0, 0, 0.0), retries.next_try(3, 0, 0, 0.999)) == (48, 71)


@pytest.mark.parametrize("retry_for", [0.0, 5.0, 40.0])
def test_the_documented_tries_are_made_however_short_the_time(retry_for):
    assert tries(RetryPolicy(retry_for, 3600), 0.5) == [0, 10, 40]


def test_a_delivery_that_was_tried_very_often_has_a_next_try_still():
    assert RetryPolicy(1e9, 3600).next_try(10_000, 0, 5, 0.5) == 3605
