"""Token buckets."""

from __future__ import annotations

import pytest

from tailwire.server.limits import buckets
from tailwire.server.limits.buckets import Buckets


def test_bucket_is_refilled_at_its_rate_and_only_up_to_its_capacity():
    now = [0.0]
    b = Buckets(2.0, 4, lambda: now[0])
    assert [b.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert b.take("b") == 0
    now[0] = 0.5
    assert b.take("a") == 0
    assert b.take("a") > 0
    now[0] = 100.0
    assert [b.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]


def test_bucket_without_a_rate_makes_nobody_wait():
    assert all(Buckets(0, 1, lambda: 0.0).take("a") == 0 for _ in range(1000))


def test_number_of_buckets_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(buckets, "MAX_KEYS", 10)
    now = [0.0]
    b = Buckets(1.0, 1, lambda: now[0])
    for n in range(1000):
        now[0] += 0.001
        b.take(str(n))
        assert len(b._buckets) <= 10


def test_returned_tokens_can_be_taken_again_up_to_the_capacity():
    now = 0.0
    buckets = Buckets(1.0, 2.0, lambda: now)
    assert (buckets.take("a"), buckets.take("a")) == (0.0, 0.0)
    assert buckets.take("a") > 0
    buckets.give_back("a")
    assert buckets.take("a") == 0.0
    assert buckets.take("a") > 0
    for _ in range(5):
        buckets.give_back("a")
    assert buckets.tokens_left("a") == 2
    buckets.give_back("nobody")
    assert buckets.tokens_left("nobody") == 2


def test_several_tokens_can_be_taken_together():
    now = [0.0]
    b = Buckets(2.0, 4, lambda: now[0])
    assert (b.take("a", 3), b.tokens_left("a")) == (0, 1)
    assert b.take("a", 3) == 1.0  # two tokens are missing
    assert b.tokens_left("a") == 1
    # More than the capacity is granted by a full bucket, which then takes as long to refill as they are worth.
    assert b.take("b", 10) == 0
    assert b.tokens_left("b") == 0
    assert b.take("b") == 3.5
    now[0] = 3.5
    assert b.take("b") == 0
