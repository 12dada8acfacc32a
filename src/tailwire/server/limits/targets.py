"""Decides to which addresses the server may connect for users: public ones, and those that a setting names.

It is asked with each resolved IP address whenever a connection is made. So neither a name that changes its address nor
another notation of an address bypasses the check.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from tailwire.server.limits.networks import Address, Network, parse_networks, unmapped

ANY = "any"
LOOPBACK_NETWORKS = "127.0.0.0/8, ::1"
_IPV4_WITHIN = ipaddress.ip_network("64:ff9b::/96")  # NAT64


class Targets:
    """The allowed addresses.

    Args:
        names: comma-separated networks that are allowed in addition to public addresses; `any` to allow all addresses.
        setting: the name of the setting that contains these names, for error texts.

    Raises:
        ValueError: one of the names is not a network.
    """

    def __init__(self, names: str = "", setting: str = "webhook_targets") -> None:
        self._setting = setting
        words = [word.strip() for word in names.split(",")]
        self._any = ANY in words
        self._networks: tuple[Network, ...] = parse_networks(",".join(word for word in words if word != ANY))

    def allows(self, address: str) -> bool:
        """Return whether an IP address is allowed; False for text that is not an IP address."""
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if self._any:
            return True
        return all(self._allows(one) for one in _reachable_by(parsed))

    def _allows(self, address: Address) -> bool:
        if any(address.version == network.version and address in network for network in self._networks):
            return True
        return address.is_global and not address.is_multicast

    def problem(self, url: str) -> str:
        """Return why a URL is not allowed, as a text for the user who sent it; "" if nothing is wrong with it.

        A host name is not resolved: check its addresses with `allows` when connecting.
        """
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            return "Leave name and password out of the URL: send them as username and password."
        try:
            ipaddress.ip_address(parts.hostname or "")
        except ValueError:
            return ""  # a name is checked after it is resolved
        if self.allows(parts.hostname or ""):
            return ""
        return f"This address is not public. The server's setting {self._setting} allows others."


def _reachable_by(address: Address) -> list[Address]:
    # All addresses that one address may lead to.
    address = unmapped(address)
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address in _IPV4_WITHIN:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    if int(address) >> 32 == 0 and int(address) > 1:  # ::192.0.2.1, the oldest form
        return [address, ipaddress.IPv4Address(int(address))]
    return [address, *([address.sixtofour] if address.sixtofour else ()), *(address.teredo or ())]
