"""The network watch on systems with little support. With a real kernel and bus: tests/adapters."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from recording_clients import RecordingLoopClient
from tailwire.adapters import netlink, network
from tailwire.adapters.network import watch_network

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only on Linux")
ON, OFF = (
    netlink.Reachability(frozenset({(2, "192.0.2.2")}), frozenset({(2, 2)})),
    netlink.Reachability(frozenset(), frozenset()),
)
MOVED = netlink.Reachability(frozenset({(2, "192.0.2.3")}), frozenset({(2, 2)}))


@pytest.fixture
def kernel(monkeypatch):
    """Imitates the kernel: a byte sent to it is a change; `ways` is the current reachability."""
    ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
    ours.setblocking(False)
    kernel = {"ways": ON, "notify": lambda: theirs.send(b"x")}

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


async def test_only_changes_of_the_network_are_reported(kernel):
    chat = RecordingLoopClient()
    with watch_network(chat) as watch:
        assert await watch.settled() == {"network"}
        assert chat.reported == []
        kernel["notify"]()
        kernel["ways"] = OFF
        kernel["notify"]()
        await chat.until("offline")
        kernel["notify"]()
        kernel["ways"] = ON
        kernel["notify"]()
        await chat.until("offline", "online")
        kernel["ways"] = MOVED
        kernel["notify"]()
        await chat.until("offline", "online", "online")
    assert chat.reported == ["offline", "online", "online"]


async def test_closing_replaces_a_reported_offline_with_unknown(kernel):
    kernel["ways"] = OFF
    chat = RecordingLoopClient()
    with watch_network(chat) as watch:
        await watch.settled()
        assert chat.reported == ["offline"]
    assert chat.reported == ["offline", "unknown"]


async def test_failure_of_netlink_replaces_a_reported_offline_with_unknown(kernel):
    kernel["ways"] = OFF
    chat = RecordingLoopClient()
    with watch_network(chat) as watch:
        await watch.settled()
        kernel["ways"] = OSError("no")
        kernel["notify"]()
        await chat.until("offline", "unknown")
        assert (watch.knows, watch.why_not) == (frozenset(), "no")


async def test_forbidden_netlink_is_the_reason_for_reporting_no_network(kernel, monkeypatch):
    def changes():
        raise PermissionError("not allowed")

    monkeypatch.setattr(netlink, "open_change_socket", changes)
    with watch_network(RecordingLoopClient()) as watch:
        assert await watch.settled() == frozenset()
        assert watch.why_not == "not allowed"


async def test_network_is_not_watched_on_an_event_loop_without_readers(kernel, monkeypatch):
    def add_reader(*arguments):
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", add_reader)
    with watch_network(RecordingLoopClient()) as watch:
        assert await watch.settled() == frozenset()


async def test_systems_other_than_linux_report_no_network(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with watch_network(RecordingLoopClient()) as watch:
        assert await watch.settled() == frozenset()
