"""Read the addresses and routes of this computer from the Linux kernel over netlink, without packages or privileges."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix, flags, scope, interface
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, bits of destination and source, tos, table, protocol, scope, type

_DONE, _ERROR = 3, 2
_NEW_ADDRESS, _GET_ADDRESS, _NEW_ROUTE, _GET_ROUTE = 20, 22, 24, 26
_REQUEST_DUMP = 0x301
_IFA_ADDRESS, _IFA_LOCAL, _RTA_OIF = 1, 2, 4
_UNICAST, _UNIVERSE = 1, 0
_MULTICAST_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400  # LINK, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE
LOOPBACK_INDEX = 1
"""The number of the interface `lo`, on every Linux."""
ANY_INTERFACE = 0
"""The interface number of a route over several interfaces (multipath)."""
_ADDRESS_LENGTHS = {socket.AF_INET: 4, socket.AF_INET6: 16}
MAX_CHUNKS = 512
"""How many chunks of a response are read, about 32 KiB each. A computer with more routes is a router, not offline."""


class Reachability(NamedTuple):
    """The addresses and default routes with which this computer can reach others.

    Attributes:
        addresses: (interface number, IP address) pairs, of the interfaces that have a default route.
        routes: (address family, interface number) pairs, of the default routes.
    """

    addresses: frozenset[tuple[int, str]]
    routes: frozenset[tuple[int, int]]

    @property
    def any(self) -> bool:
        """Whether any interface has both an address and a default route."""
        return bool(self.addresses)


def is_for_apps() -> bool:
    """Return whether this is a Linux on which apps may use netlink; Android does not permit it."""
    return sys.platform == "linux" and not hasattr(sys, "getandroidapilevel")


def open_change_socket() -> socket.socket:
    """Return a non-blocking socket that becomes readable when a link, an address or a route has changed.

    Raises:
        OSError: netlink is missing or not permitted.
    """
    listening = _open_socket()
    try:
        listening.bind((0, _MULTICAST_GROUPS))
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def drain(listening: socket.socket) -> None:
    """Read and discard all messages that wait in a change socket, but at most `MAX_CHUNKS` of them."""
    for _ in range(MAX_CHUNKS):
        try:
            listening.recv(65536)
        except BlockingIOError:
            return
        except OSError:  # ENOBUFS: the socket's buffer overflowed
            continue


def reachability() -> Reachability:
    """Return the current addresses and default routes of this computer. This does not block.

    Raises:
        OSError: netlink is missing or not permitted.
    """
    with ExitStack() as stack:
        asking = stack.enter_context(_open_socket())
        asking.bind((0, 0))
        asking.setblocking(False)  # the kernel has responded when send() returns
        addresses = set(_addresses(asking))
        routes = set(_routes(asking))
    outward = frozenset((family, number) for family, number in routes if number != LOOPBACK_INDEX)
    usable = frozenset(
        (number, socket.inet_ntop(family, address))
        for number, family, address in addresses
        if number != LOOPBACK_INDEX and not {(family, number), (family, ANY_INTERFACE)}.isdisjoint(outward)
    )
    return Reachability(usable, outward)


def _open_socket() -> socket.socket:
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError("this system has no netlink")
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)


def _addresses(asking: socket.socket) -> Iterator[tuple[int, int, bytes]]:
    # Yield interface number, family and address, for addresses of global scope.
    for body in _dump(asking, _GET_ADDRESS, _NEW_ADDRESS, _ADDRESS.size):
        family, _, _, scope, number = _ADDRESS.unpack_from(body)
        found = _attributes(body, _ADDRESS.size)
        address = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)
        if address and len(address) == _ADDRESS_LENGTHS.get(family) and scope == _UNIVERSE:
            yield number, family, address


def _routes(asking: socket.socket) -> Iterator[tuple[int, int]]:
    # Yield family and interface number of default routes. Some VPNs split one in two halves (prefix length 1).
    for body in _dump(asking, _GET_ROUTE, _NEW_ROUTE, _ROUTE.size):
        family, bits, _, _, _, _, _, kind, _ = _ROUTE.unpack_from(body)
        if family in _ADDRESS_LENGTHS and bits <= 1 and kind == _UNICAST:
            number = _attributes(body, _ROUTE.size).get(_RTA_OIF, b"")
            yield family, int.from_bytes(number, sys.byteorder)


def _dump(asking: socket.socket, request: int, message_type: int, least_bytes: int) -> Iterator[bytes]:
    body = bytes(_ROUTE.size)  # zeros: all families
    asking.send(_HEADER.pack(_HEADER.size + len(body), request, _REQUEST_DUMP, request, 0) + body)
    for _ in range(MAX_CHUNKS):
        chunk, at = asking.recv(65536), 0
        while at + _HEADER.size <= len(chunk):
            length, kind, _, _, _ = _HEADER.unpack_from(chunk, at)
            if kind == _DONE or length < _HEADER.size:
                return
            message = chunk[at + _HEADER.size : at + length]
            if kind == _ERROR:
                raise OSError(-struct.unpack_from("=i", message)[0], "the kernel refuses to list addresses or routes")
            if kind == message_type and least_bytes <= len(message) == length - _HEADER.size:  # not truncated
                yield message
            at += _aligned(length)


def _attributes(body: bytes, at: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size or at + length > len(body):  # malformed or truncated
            break
        found[kind] = body[at + _ATTRIBUTE.size : at + length]
        at += _aligned(length)
    return found


def _aligned(length: int) -> int:
    return (length + 3) & ~3
