"""Connection slots of an address: limited, and freed once."""

from __future__ import annotations

from tailwire.server.limits.slots import ConnectionSlots


def test_address_has_no_more_slots_than_its_limit_until_one_is_freed():
    slots = ConnectionSlots(2)
    first, second = slots.take("192.0.2.1"), slots.take("192.0.2.1")
    assert slots.take("192.0.2.1") is None
    assert slots.take("192.0.2.2") is not None
    assert first is not None
    assert second is not None
    first.free()
    first.free()  # has no effect
    assert slots.count_taken("192.0.2.1") == 1
    assert slots.take("192.0.2.1") is not None
    assert slots.take("192.0.2.1") is None


def test_addresses_of_one_ipv6_prefix_share_their_slots():
    slots = ConnectionSlots(2)
    assert [slots.take(f"2001:db8::{n}") is not None for n in range(1, 4)] == [True, True, False]
    assert slots.take("2001:db8:0:1::1") is not None


def test_addresses_without_connections_are_not_kept():
    slots = ConnectionSlots(0)
    for n in range(1000):
        slot = slots.take(f"10.0.0.{n % 250}")
        assert slot is not None
        slot.free()
    assert slots._taken == {}
