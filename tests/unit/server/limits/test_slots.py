"""Places of an address: as many as there are, freed once."""

from __future__ import annotations

from tailwire.server.limits.slots import ConnectionSlots


def test_places_are_taken_and_freed():
    slots = ConnectionSlots(2)
    first, second = slots.take("192.0.2.1"), slots.take("192.0.2.1")
    assert slots.take("192.0.2.1") is None
    assert slots.take("192.0.2.2") is not None
    assert first is not None
    assert second is not None
    first.free()
    first.free()  # once
    assert slots.taken("192.0.2.1") == 1
    assert slots.take("192.0.2.1") is not None
    assert slots.take("192.0.2.1") is None


def test_a_line_of_ipv6_has_no_more_than_one_address():
    slots = ConnectionSlots(2)
    assert [slots.take(f"2001:db8::{n}") is not None for n in range(1, 4)] == [True, True, False]
    assert slots.take("2001:db8:0:1::1") is not None


def test_none_are_kept_of_those_who_are_gone():
    slots = ConnectionSlots(0)
    for n in range(1000):
        slot = slots.take(f"10.0.0.{n % 250}")
        assert slot is not None
        slot.free()
    assert slots._taken == {}
