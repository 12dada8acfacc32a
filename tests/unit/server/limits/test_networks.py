"""Networks, and what counts as one address."""

from __future__ import annotations

import pytest

from tailwire.server.limits.networks import counting_key, parse_networks


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_ipv6_addresses_count_by_their_64_bit_prefix(address, key):
    assert counting_key(address) == key


def test_list_of_networks_is_parsed_and_one_with_host_bits_is_refused():
    assert [str(n) for n in parse_networks(" 10.0.0.0/8, ::1 ,192.0.2.1,")] == ["10.0.0.0/8", "::1/128", "192.0.2.1/32"]
    with pytest.raises(ValueError):
        parse_networks("10.0.0.1/8")  # host bits are set
