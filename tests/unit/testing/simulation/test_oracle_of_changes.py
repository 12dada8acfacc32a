"""Which changes the oracle counts as repeated."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tailwire.testing.simulation.oracle_of_changes import received_again
from tailwire.testing.simulation.records import ReceivedChange

READ, JOINED, REACTED = ("read", 5, "alice"), ("member", 7), ("reaction", 5, "x", "alice")


@pytest.mark.parametrize(
    ("key", "count", "marked_unread", "again"),
    [
        (READ, 1, {}, False),
        (READ, 2, {}, True),
        (READ, 2, {"bob": 1}, True),
        (READ, 2, {"alice": 1}, False),
        (READ, 3, {"alice": 1}, True),
        (("delivered", 5, "alice"), 2, {"alice": 1}, True),
        (JOINED, 2, {"alice": 1}, True),
        (REACTED, 2, {}, False),
    ],
)
def test_receipt_or_membership_counts_as_repeated_beyond_its_expected_count(
    key: Any, count: int, marked_unread: dict[str, int], again: bool
):
    device: Any = SimpleNamespace(changes=[ReceivedChange(life=1, key=key, value=True, at=0.0)] * count)
    assert received_again(device, marked_unread) == ([key] if again else [])
