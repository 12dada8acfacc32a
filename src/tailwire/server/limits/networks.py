"""What counts as one address: an IPv4 address, or the /64 network that a provider gives to one line of IPv6."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

OF_ONE_LINE = 64
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def plain(address: Address) -> Address:
    """Return an address as what it is: an IPv4 address that is written as an IPv6 one becomes the IPv4 one."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


@lru_cache(maxsize=4096)
def counted_as(address: str) -> str:
    """Return the key under which an address is counted; what is no IP address counts as it is."""
    try:
        parsed = plain(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, OF_ONE_LINE), strict=False))


def networks(names: str) -> tuple[Network, ...]:
    """Return the networks of a list with commas between: `10.0.0.0/8`, or single addresses.

    Raises:
        ValueError: naming the one that is none.
    """
    return tuple(ipaddress.ip_network(name.strip()) for name in names.split(",") if name.strip())
