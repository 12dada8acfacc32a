"""Which receipts were missed: the time from which they are requested, and those that were handed over before."""

from __future__ import annotations

from tailwire.sdk.continuity import updates
from tailwire.sdk.continuity.state import CatchUp, Position


def test_receipts_are_requested_from_a_margin_before_the_last_known_time():
    assert updates.request_since(CatchUp(position=Position(9, updated_at=1000))) == 1000 - updates.MARGIN_SECONDS
    for early in (1, 2):
        assert updates.request_since(CatchUp(position=Position(9, updated_at=early))) == 1


def test_receipts_are_not_requested_without_a_known_time_or_with_catch_up_disabled():
    assert updates.request_since(CatchUp()) is None
    assert updates.request_since(CatchUp(position=Position(9))) is None
    assert updates.request_since(CatchUp(position=Position(9, updated_at=1000), enabled=False)) is None


def test_last_known_time_of_receipts_never_decreases():
    m = CatchUp(position=Position(9, updated_at=1000))
    for at, known in ((1005, 1005), (1003, 1005), (1006, 1006)):
        updates.record_time(m, at)
        assert m.position == Position(9, updated_at=known)


def test_live_event_during_a_catch_up_does_not_move_the_last_known_time():
    m = CatchUp(position=Position(9, updated_at=1000), behind=[])
    updates.record_time(m, 2000)
    assert m.position.updated_at == 1000
    unknown = CatchUp()
    updates.record_time(unknown, 2000)
    assert unknown.position is None


def test_receipt_is_new_once_and_also_covers_older_messages():
    m = CatchUp()
    assert updates.record_receipt(m, "group_g", "bob", "read", 7)
    assert not updates.record_receipt(m, "group_g", "bob", "read", 7)
    assert not updates.record_receipt(m, "group_g", "bob", "read", 5)
    assert updates.record_receipt(m, "group_g", "bob", "read", 8)
    for other in (("group_h", "bob", "read"), ("group_g", "eve", "read"), ("group_g", "bob", "delivered")):
        assert updates.record_receipt(m, *other, 5)


def test_least_recent_receipts_are_forgotten():
    m = CatchUp()
    for n in range(updates.MAX_RECEIPTS):
        updates.record_receipt(m, f"c{n}", "bob", "read", 1)
    updates.record_receipt(m, "c0", "bob", "read", 2)
    updates.record_receipt(m, "one more", "bob", "read", 1)
    assert len(m.receipts) == updates.MAX_RECEIPTS
    assert not updates.record_receipt(m, "c0", "bob", "read", 2), "it changed last"
    assert updates.record_receipt(m, "c1", "bob", "read", 1)
