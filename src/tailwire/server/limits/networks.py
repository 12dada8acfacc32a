"""Parses IP networks, and decides what limits count as one address: an IPv4 address, or an IPv6 /64 network.

A /64 network is what one subscriber usually has.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

IPV6_PREFIX_LENGTH = 64
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def unmapped(address: Address) -> Address:
    """Return an address unchanged, or as IPv4 if it is an IPv4-mapped IPv6 address."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


@lru_cache(maxsize=4096)
def counting_key(address: str) -> str:
    """Return the key by which limits count an address: the IPv4 address, or the IPv6 /64 network, as text.

    Text that is not an IP address is returned unchanged.
    """
    try:
        parsed = unmapped(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX_LENGTH), strict=False))


def parse_networks(names: str) -> tuple[Network, ...]:
    """Parse a comma-separated list of networks (such as `10.0.0.0/8`) or single addresses.

    Raises:
        ValueError: an entry is invalid; the message names it.
    """
    return tuple(ipaddress.ip_network(name.strip()) for name in names.split(",") if name.strip())
