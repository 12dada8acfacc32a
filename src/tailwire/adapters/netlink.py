"""What Linux says of this machine's addresses and routes, over netlink. Needs no package and no rights."""

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
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400  # LINK, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE
LOOPBACK = 1
"""The number of the interface `lo`, on every Linux."""
ANY = 0
"""Stands for the interface of a route over several."""
_LENGTHS = {socket.AF_INET: 4, socket.AF_INET6: 16}
MAX_CHUNKS = 512
"""Of one answer, some 32 KiB each. A machine with more routes than that is a router, and is not offline."""


class Ways(NamedTuple):
    """How this machine can reach others.

    Attributes:
        addresses: of the interfaces that have a default route, each with its interface's number.
        routes: the default routes: family and number of the interface.
    """

    addresses: frozenset[tuple[int, str]]
    routes: frozenset[tuple[int, int]]

    @property
    def any(self) -> bool:
        """Whether an interface has an address and a default route."""
        return bool(self.addresses)


def changes() -> socket.socket:
    """Return a socket on which something can be read whenever a link, an address or a route has changed.

    Raises:
        OSError: the system has no netlink, or does not allow it.
    """
    listening = _netlink()
    try:
        listening.bind((0, _GROUPS))
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def drained(listening: socket.socket) -> None:
    """Read all that there is; what it says is asked for anew."""
    for _ in range(MAX_CHUNKS):
        try:
            listening.recv(65536)
        except BlockingIOError:
            return
        except OSError:  # more was told than the socket keeps
            continue


def ways() -> Ways:
    """Return how this machine can reach others now. The kernel answers at once.

    Raises:
        OSError: the system has no netlink, or does not allow it.
    """
    with ExitStack() as stack:
        asking = stack.enter_context(_netlink())
        asking.bind((0, 0))
        asking.setblocking(False)  # the answer is there when the request has been sent
        addresses = set(_addresses(asking))
        routes = set(_routes(asking))
    outward = frozenset((family, number) for family, number in routes if number != LOOPBACK)
    usable = frozenset(
        (number, socket.inet_ntop(family, address))
        for number, family, address in addresses
        if number != LOOPBACK and not {(family, number), (family, ANY)}.isdisjoint(outward)
    )
    return Ways(usable, outward)


def _netlink() -> socket.socket:
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError("this system has no netlink")
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)


def _addresses(asking: socket.socket) -> Iterator[tuple[int, int, bytes]]:
    # Interface, family, address; those that reach further than their link.
    for body in _dump(asking, _GET_ADDRESS, _NEW_ADDRESS, _ADDRESS.size):
        family, _, _, scope, number = _ADDRESS.unpack_from(body)
        found = _attributes(body, _ADDRESS.size)
        address = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)
        if address and len(address) == _LENGTHS.get(family) and scope == _UNIVERSE:
            yield number, family, address


def _routes(asking: socket.socket) -> Iterator[tuple[int, int]]:
    # Family and interface of the default routes. Some VPNs write one in two halves.
    for body in _dump(asking, _GET_ROUTE, _NEW_ROUTE, _ROUTE.size):
        family, bits, _, _, _, _, _, kind, _ = _ROUTE.unpack_from(body)
        if family in _LENGTHS and bits <= 1 and kind == _UNICAST:
            number = _attributes(body, _ROUTE.size).get(_RTA_OIF, b"")
            yield family, int.from_bytes(number, sys.byteorder)


def _dump(asking: socket.socket, request: int, wanted: int, least: int) -> Iterator[bytes]:
    body = bytes(_ROUTE.size)  # zeros: of all families
    asking.send(_HEADER.pack(_HEADER.size + len(body), request, _REQUEST_DUMP, request, 0) + body)
    for _ in range(MAX_CHUNKS):
        chunk, at = asking.recv(65536), 0
        while at + _HEADER.size <= len(chunk):
            length, kind, _, _, _ = _HEADER.unpack_from(chunk, at)
            if kind == _DONE or length < _HEADER.size:
                return
            message = chunk[at + _HEADER.size : at + length]
            if kind == _ERROR:
                raise OSError(-struct.unpack_from("=i", message)[0], "the kernel refuses to list them")
            if kind == wanted and len(message) >= least:
                yield message
            at += _aligned(length)


def _attributes(body: bytes, at: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = body[at + _ATTRIBUTE.size : at + length]
        at += _aligned(length)
    return found


def _aligned(length: int) -> int:
    return (length + 3) & ~3
