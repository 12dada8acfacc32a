"""Which addresses the server asks by itself: public ones, and those that a setting names.

An address is looked at after its name was resolved, whenever it is connected to: neither a name that changes its
address nor another way to write one helps.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from tailwire.server.limits.networks import Address, Network, networks, plain

ANY = "any"
LOOPBACK = "127.0.0.0/8, ::1"
_IPV4_WITHIN = ipaddress.ip_network("64:ff9b::/96")  # and what else hides an IPv4 address in an IPv6 one


class Targets:
    """The addresses that may be asked.

    Args:
        names: networks beside public addresses, with commas between; `any` for all addresses.

    Raises:
        ValueError: when a name is no network.
    """

    def __init__(self, names: str = "") -> None:
        words = [word.strip() for word in names.split(",")]
        self._any = ANY in words
        self._networks: tuple[Network, ...] = networks(",".join(word for word in words if word != ANY))

    def allows(self, address: str) -> bool:
        """Return whether an IP address may be asked; what is none may not."""
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if self._any:
            return True
        return all(self._allows(one) for one in _meant(parsed))

    def _allows(self, address: Address) -> bool:
        if any(address.version == network.version and address in network for network in self._networks):
            return True
        return address.is_global and not address.is_multicast

    def problem(self, url: str) -> str:
        """Return what is wrong with a URL before any name is resolved; "" for nothing."""
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            return "Leave name and password out of the URL: send them as username and password."
        try:
            ipaddress.ip_address(parts.hostname or "")
        except ValueError:
            return ""  # a name: it is known when it is resolved
        if self.allows(parts.hostname or ""):
            return ""
        return "This address is not public. The server's setting webhook_targets says what else may be reached."


def _meant(address: Address) -> list[Address]:
    # All addresses that may be reached by one.
    address = plain(address)
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address in _IPV4_WITHIN:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    if int(address) >> 32 == 0 and int(address) > 1:  # ::192.0.2.1, the oldest form
        return [address, ipaddress.IPv4Address(int(address))]
    return [address, *([address.sixtofour] if address.sixtofour else ()), *(address.teredo or ())]
