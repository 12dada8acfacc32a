"""Places of an address: as many as there are, freed once."""

from __future__ import annotations

from tailwire.server.limits.slots import ConnectionSlots


def test_places_are_taken_and_freed():
    places = ConnectionSlots(2)
    first, second = places.take("192.0.2.1"), places.take("192.0.2.1")
    assert places.take("192.0.2.1") is None
    assert places.take("192.0.2.2") is not None
    assert first is not None
    assert second is not None
    first.free()
    first.free()  # once
    assert places.taken("192.0.2.1") == 1
    assert places.take("192.0.2.1") is not None
    assert places.take("192.0.2.1") is None


def test_a_line_of_ipv6_has_no_more_than_one_address():
    places = ConnectionSlots(2)
    assert [places.take(f"2001:db8::{n}") is not None for n in range(1, 4)] == [True, True, False]
    assert places.take("2001:db8:0:1::1") is not None


def test_none_are_kept_of_those_who_are_gone():
    places = ConnectionSlots(0)
    for n in range(1000):
        place = places.take(f"10.0.0.{n % 250}")
        assert place is not None
        place.free()
    assert places._taken == {}
