"""Parsing of netlink responses, including malformed ones. With a real kernel: tests/adapters."""

from __future__ import annotations

import errno
import socket
import struct
import sys

import pytest

from tailwire.adapters import netlink

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only on Linux")
V4, V6 = socket.AF_INET, socket.AF_INET6
# The numbers of linux/netlink.h and linux/rtnetlink.h.
ADDRESS, ROUTE, DONE, ERROR = 20, 24, 3, 2
GET_ADDRESS, GET_ROUTE, UNKNOWN = 22, 26, 99
UNICAST, UNREACHABLE, LINK_SCOPE = 1, 7, 253


def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def message(kind, body):
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def address(interface, text, *, scope=0):
    family = V6 if ":" in text else V4
    return message(
        ADDRESS, struct.pack("=BBBBI", family, 24, 0, scope, interface) + attribute(1, socket.inet_pton(family, text))
    )


def route(interface, *, family=V4, bits=0, kind=UNICAST):
    oif = attribute(4, struct.pack("=I", interface)) if interface else b""
    return message(ROUTE, struct.pack("=BBBBBBBBI", family, bits, 0, 0, 254, 3, 0, kind, 0) + oif)


class Kernel:
    """A socket that returns prepared responses."""

    def __init__(self, addresses=(), routes=()):
        self.prepared = {GET_ADDRESS: list(addresses), GET_ROUTE: list(routes)}
        self.unread = []
        self.closed = False

    def bind(self, where): ...
    def setblocking(self, blocking): ...

    def send(self, request):
        self.unread = [*self.prepared[struct.unpack_from("=IH", request)[1]], message(DONE, b"\0\0\0\0")]

    def recv(self, size):
        return self.unread.pop(0)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.closed = True


@pytest.fixture
def kernel(monkeypatch):
    kernel = Kernel()
    monkeypatch.setattr(netlink, "_open_socket", lambda: kernel)
    return kernel


def ways(kernel, addresses, routes):
    kernel.prepared = {GET_ADDRESS: addresses, GET_ROUTE: routes}
    found = netlink.reachability()
    assert kernel.closed
    return found


def test_interface_with_address_and_default_route_is_reachable(kernel):
    found = ways(kernel, [address(1, "127.0.0.1") + address(2, "192.0.2.2")], [route(2) + route(2, bits=24)])
    assert found == netlink.Reachability(frozenset({(2, "192.0.2.2")}), frozenset({(V4, 2)}))
    assert found.any


@pytest.mark.parametrize(
    ("addresses", "routes"),
    [
        ([], []),
        ([address(1, "127.0.0.1")], [route(1)]),
        ([address(2, "192.0.2.2")], []),
        ([address(2, "192.0.2.2")], [route(3)]),
        ([address(2, "192.0.2.2")], [route(2, bits=24)]),
        ([address(2, "192.0.2.2")], [route(2, kind=UNREACHABLE)]),
        ([address(2, "192.0.2.2")], [route(2, family=V6)]),
        ([address(2, "fe80::1", scope=LINK_SCOPE)], [route(2, family=V6)]),
        ([], [route(2)]),
    ],
)
def test_interface_without_address_or_default_route_is_unreachable(kernel, addresses, routes):
    assert not ways(kernel, addresses, routes).any


def test_ipv6_multipath_and_split_default_routes_are_reachable(kernel):
    assert ways(kernel, [address(2, "2001:db8::2")], [route(2, family=V6)]).any
    assert ways(kernel, [address(2, "192.0.2.2")], [route(0)]).any  # multipath
    assert ways(kernel, [address(5, "198.51.100.9")], [route(5, bits=1)]).any  # a VPN's two halves


def test_unreachable_interface_is_ignored(kernel):
    before = ways(kernel, [address(2, "192.0.2.2")], [route(2)])
    assert ways(kernel, [address(2, "192.0.2.2"), address(7, "172.17.0.1")], [route(2), route(7, bits=16)]) == before


def test_ways_to_the_network_differ_after_a_change_of_an_address(kernel):
    before = ways(kernel, [address(2, "192.0.2.2")], [route(2)])
    assert ways(kernel, [address(2, "192.0.2.3")], [route(2)]) != before


@pytest.mark.parametrize("cut", range(1, 48, 3))
def test_truncated_and_malformed_responses_contain_no_way_to_the_network(kernel, cut):
    whole = cut >= len(route(2))
    assert ways(kernel, [address(2, "192.0.2.2")[:cut]], [route(2)[:cut]]).any is whole
    assert not ways(kernel, [message(ADDRESS, b"\2" * cut)], [message(ROUTE, b"\2" * cut)]).any
    assert not ways(kernel, [message(UNKNOWN, b"\0" * cut)], [struct.pack("=IHHII", 1, ROUTE, 0, 0, 0)]).any


def test_refusal_by_the_kernel_raises_the_matching_os_error(kernel):
    with pytest.raises(PermissionError):
        ways(kernel, [message(ERROR, struct.pack("=i", -errno.EPERM))], [])


def test_number_of_chunks_is_limited(kernel):
    found = ways(kernel, [address(2, "192.0.2.2")], [route(2)] * (netlink.MAX_CHUNKS + 5))
    assert found.any
    assert kernel.unread == [*[route(2)] * 5, message(DONE, b"\0\0\0\0")]


def test_drain_survives_a_buffer_overflow():
    class Listening:
        answers = [b"x", OSError(errno.ENOBUFS, "no buffer space"), b"y", BlockingIOError()]

        def recv(self, size):
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    listening = Listening()
    netlink.drain(listening)
    assert listening.answers == []


def test_missing_netlink_is_reported(monkeypatch):
    monkeypatch.delattr(socket, "AF_NETLINK")
    with pytest.raises(OSError, match="no netlink"):
        netlink.open_change_socket()
