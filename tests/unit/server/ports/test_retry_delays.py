"""Delays before further attempts, worked out by hand."""

from __future__ import annotations

import pytest

from tailwire.server.ports.retry_delays import retry_delay


@pytest.mark.parametrize(
    ("tries", "chance", "seconds"),
    [
        (1, 0.0, 10.0),  # the first two are documented, and have no jitter
        (2, 0.9, 30.0),
        (3, 0.5, 60.0),
        (4, 0.5, 120.0),
        (5, 0.0, 192.0),  # 240 less a fifth
        (6, 0.5, 480.0),
        (9, 0.5, 3600.0),  # 3840 is over the limit
        (1000, 0.75, 3960.0),  # the limit and a tenth of it
    ],
)
def test_delays_double_up_to_the_limit_and_vary_by_a_fifth(tries: int, chance: float, seconds: float):
    assert retry_delay(tries, 3600, chance) == pytest.approx(seconds)
