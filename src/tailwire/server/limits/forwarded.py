"""Finds the address of a client behind trusted proxies, from the header in which they list the hops of a request.

The header is used only if the connection itself comes from a trusted proxy. The last hop in it that is not a trusted
proxy is the client; hops before that may be forged by the client. Only the header that the proxies write is read,
because they pass on any other header as the client sent it. A header that cannot be parsed is ignored.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from tailwire.server.limits.networks import Network, parse_networks, unmapped

X_FORWARDED_FOR = "x-forwarded-for"
FORWARDED = "forwarded"
MAX_HOPS = 20
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

Headers = Iterable[tuple[bytes, bytes]]


class TrustedProxies:
    """Recognizes trusted proxies, and finds the client behind them.

    Args:
        names: the networks or addresses of the proxies, comma-separated; "" for none.
        header: the header that they write: `x-forwarded-for` or `forwarded`.

    Raises:
        ValueError: one of the names is not a network.
    """

    def __init__(self, names: str = "", header: str = X_FORWARDED_FOR) -> None:
        self._networks: tuple[Network, ...] = parse_networks(names)
        self._header = header.encode()

    def trusts(self, address: str) -> bool:
        """Return whether an IP address belongs to a trusted proxy; False for text that is not an IP address."""
        if not self._networks:
            return False
        try:
            parsed = unmapped(ipaddress.ip_address(address))
        except ValueError:
            return False
        return any(parsed.version == network.version and parsed in network for network in self._networks)

    def client(self, peer: str, headers: Headers) -> tuple[str, str]:
        """Return the address of the client that made a request, and the scheme that it used.

        Args:
            peer: the address from which the connection comes, or which a proxy sent with the PROXY protocol. This
                address is returned if it is not a trusted proxy, or if the header is missing or cannot be parsed.
            headers: the headers of the request, with lower-case names.

        Returns:
            The address, and `http`, `https` or "" (unknown). Use the scheme only if a trusted proxy sent the request:
            it is read from the headers in any case.
        """
        values = [value for name, value in headers if name == self._header]
        if self._header == FORWARDED.encode():
            return self._by_forwarded(peer, b",".join(values).decode("latin-1"))
        hops = b",".join(values).decode("latin-1").split(",") if values else []
        protocols = [value for name, value in headers if name == b"x-forwarded-proto"]
        scheme = protocols[-1].decode("latin-1").rpartition(",")[2].strip().lower() if protocols else ""
        found = self._last_untrusted(peer, (address_of(hop) for hop in reversed(hops)))
        return found, scheme if scheme in ("http", "https") else ""

    def _by_forwarded(self, peer: str, value: str) -> tuple[str, str]:
        elements = forwarded_elements(value)
        found = self._last_untrusted(peer, (address_of(e.get("for", "")) for e in reversed(elements)))
        scheme = elements[-1].get("proto", "").lower() if elements else ""
        return found, scheme if scheme in ("http", "https") else ""

    def _last_untrusted(self, peer: str, hops: Iterator[str]) -> str:
        found = peer
        if not self.trusts(peer):
            return peer
        for n, hop in enumerate(hops):
            if not hop or n == MAX_HOPS:
                break  # hops before an invalid one cannot be trusted
            found = hop
            if not self.trusts(hop):
                break
        return found


def address_of(hop: str) -> str:
    """Return the IP address of a hop in a header, without its port and brackets; "" if it is not an IP address."""
    hop = hop.strip()
    if hop.startswith("["):
        hop, closed, port = hop[1:].partition("]")
        if not closed or (port and not _is_port(port[1:], port[0])) or ":" not in hop:
            return ""
    elif hop.count(":") == 1:
        hop, _, port = hop.partition(":")
        if not _is_port(port):
            return ""
    try:
        return str(unmapped(ipaddress.ip_address(hop))) if "%" not in hop else ""
    except ValueError:
        return ""


def _is_port(port: str, colon: str = ":") -> bool:
    return colon == ":" and 0 < len(port) <= 5 and port.isascii() and port.isdigit()


def forwarded_elements(value: str) -> list[dict[str, str]]:
    """Parse a `Forwarded` header (RFC 7239). Return a dict of its parameters for each hop, with lower-case names.

    The list is empty if any part of the header is invalid.
    """
    elements: list[dict[str, str]] = [{}]
    at, end = 0, len(value)
    while at < end:
        if value[at] in " \t;":
            at += 1
        elif value[at] == ",":
            elements.append({})
            at += 1
        else:
            name, at = _read_token(value, at)
            if not name or at >= end or value[at] != "=":
                return []
            word, at = _read_quoted(value, at + 1) if value[at + 1 : at + 2] == '"' else _read_token(value, at + 1)
            while at < end and value[at] in " \t":
                at += 1
            if not word or (at < end and value[at] not in ";,") or name.lower() in elements[-1]:
                return []
            elements[-1][name.lower()] = word
    return [element for element in elements if element]


def _read_token(value: str, at: int) -> tuple[str, int]:
    begin = at
    while at < len(value) and value[at] in _TOKEN:
        at += 1
    return value[begin:at], at


def _read_quoted(value: str, at: int) -> tuple[str, int]:
    # `at` is the position of the opening quote. Return "" if the closing one is missing.
    found: list[str] = []
    at += 1
    while at < len(value) and value[at] != '"':
        if value[at] == "\\":
            at += 1
        found.append(value[at : at + 1])
        at += 1
    return ("".join(found), at + 1) if at < len(value) else ("", at)
