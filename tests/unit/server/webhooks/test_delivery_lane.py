"""The retry policy of deliveries."""

from __future__ import annotations

import itertools

import pytest

from tailwire.server.webhooks.delivery_lane import RetryPolicy

DAY = 86_400


def tries(retries: RetryPolicy, chance: float) -> list[int]:
    """Return the times of all attempts of a delivery that always fails."""
    times, now = [0], 0
    while (due := retries.next_try(len(times), 0, now, chance)) is not None:
        assert len(times) < 1000
        times.append(now := due)
    return times


def test_first_delays_are_documented_and_the_last_attempt_is_at_the_end():
    for chance in (0.0, 0.5, 0.999):
        times = tries(RetryPolicy(DAY, 3600), chance)
        assert times[:3] == [0, 10, 40]
        assert times[-1] == DAY


def test_delays_double_up_to_the_limit_with_jitter():
    times = tries(RetryPolicy(DAY, 3600), 0.5)
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps[:9] == [10, 30, 60, 120, 240, 480, 960, 1920, 3600]
    assert set(gaps[9:-1]) == {3600}
    retries = RetryPolicy(DAY, 3600)
    assert (retries.next_try(3, 0, 0, 0.0), retries.next_try(3, 0, 0, 0.999)) == (48, 71)


@pytest.mark.parametrize("retry_for", [0.0, 5.0, 40.0])
def test_documented_attempts_are_made_despite_a_short_limit(retry_for):
    assert tries(RetryPolicy(retry_for, 3600), 0.5) == [0, 10, 40]


def test_many_attempts_do_not_overflow():
    assert RetryPolicy(1e9, 3600).next_try(10_000, 0, 5, 0.5) == 3605
