"""The network's watch where the system tells little. With a real kernel and a real bus: tests/adapters."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from recording_clients import RecordingLoopClient
from tailwire.adapters import netlink, network
from tailwire.adapters.network import watch_network

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
ON, OFF = (
    netlink.Reachability(frozenset({(2, "192.0.2.2")}), frozenset({(2, 2)})),
    netlink.Reachability(frozenset(), frozenset()),
)
MOVED = netlink.Reachability(frozenset({(2, "192.0.2.3")}), frozenset({(2, 2)}))


@pytest.fixture
def kernel(monkeypatch):
    """A kernel that tells of a change when a byte is sent to it; `ways` is what it answers."""
    ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
    ours.setblocking(False)
    kernel = {"ways": ON, "tell": lambda: theirs.send(b"x")}

    def ways():
        if isinstance(kernel["ways"], Exception):
            raise kernel["ways"]
        return kernel["ways"]

    monkeypatch.setattr(netlink, "open_change_socket", lambda: ours)
    monkeypatch.setattr(netlink, "reachability", ways)
    monkeypatch.setattr(network, "SETTLE_SECONDS", 0.001)
    monkeypatch.setattr(network, "is_installed", lambda: False)
    yield kernel
    ours.close()
    theirs.close()


async def test_a_change_is_told_and_what_changes_nothing_is_not(kernel):
    chat = RecordingLoopClient()
    with watch_network(chat) as watch:
        assert await watch.settled() == {"network"}
        assert chat.told == []
        kernel["tell"]()
        kernel["ways"] = OFF
        kernel["tell"]()
        await chat.until("offline")
        kernel["tell"]()
        kernel["ways"] = ON
        kernel["tell"]()
        await chat.until("offline", "online")
        kernel["ways"] = MOVED
        kernel["tell"]()
        await chat.until("offline", "online", "online")
    assert chat.told == ["offline", "online", "online"]


async def test_it_begins_offline_and_takes_it_back_at_the_end(kernel):
    kernel["ways"] = OFF
    chat = RecordingLoopClient()
    with watch_network(chat) as watch:
        await watch.settled()
        assert chat.told == ["offline"]
    assert chat.told == ["offline", "unknown"]


async def test_a_kernel_that_does_not_answer_any_longer_is_not_believed_any_longer(kernel):
    kernel["ways"] = OFF
    chat = RecordingLoopClient()
    with watch_network(chat) as watch:
        await watch.settled()
        kernel["ways"] = OSError("no")
        kernel["tell"]()
        await chat.until("offline", "unknown")
        assert (watch.knows, watch.why_not) == (frozenset(), "no")


async def test_where_netlink_is_not_allowed_nothing_is_known_and_nothing_breaks(kernel, monkeypatch):
    def changes():
        raise PermissionError("not allowed")

    monkeypatch.setattr(netlink, "open_change_socket", changes)
    with watch_network(RecordingLoopClient()) as watch:
        assert await watch.settled() == frozenset()


async def test_an_event_loop_that_cannot_read_a_socket_is_no_obstacle(kernel, monkeypatch):
    def add_reader(*arguments):
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", add_reader)
    with watch_network(RecordingLoopClient()) as watch:
        assert await watch.settled() == frozenset()


async def test_another_system_tells_nothing(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with watch_network(RecordingLoopClient()) as watch:
        assert await watch.settled() == frozenset()
