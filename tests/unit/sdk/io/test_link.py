"""The server's announcements at authentication, including invalid ones."""

from __future__ import annotations

import pytest

from tailwire.sdk.io.link import Granted, parse_granted


def test_granted_features_are_read():
    announced = {
        "features": ["renew", 5, "chain"],
        "heartbeat": {"interval": 15, "timeout": 3.5},
        "epoch": "s",
        "tokenLeft": 600,
        "shed": ["typing"],
        "more": 1,
    }
    assert parse_granted(announced) == Granted(frozenset({"renew", "chain"}), 15.0, 3.5, 600.0, "s", shed=("typing",))


@pytest.mark.parametrize("value", [None, "x", [], 5, {}])
def test_invalid_grants_are_ignored(value):
    assert parse_granted(value) == Granted()


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), True, "15", [15], None, 1e300])
def test_invalid_durations_are_ignored(value):
    announced = {"heartbeat": {"interval": value, "timeout": value}, "tokenLeft": value}
    assert parse_granted(announced) == Granted()
