"""Closing many connections leaves no work for the garbage collector: nothing outlives its connection."""

from __future__ import annotations

import gc
from collections import Counter

import pytest
from websockets.server import ServerProtocol

from harness import Stage
from tailwire.server.gateway.protocol import SocketProtocol
from tailwire.server.rest.protocol import HttpProtocol


@pytest.fixture
def no_collector():
    """Disable the garbage collector."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def count_leftovers() -> Counter[str]:
    """Count the server's WebSocket objects, with the HTTP protocols that opened them."""
    found: Counter[str] = Counter()
    for thing in gc.get_objects():
        for kind in (HttpProtocol, SocketProtocol, ServerProtocol):
            if issubclass(type(thing), kind) and (kind is not HttpProtocol or thing._upgraded):
                found[kind.__name__] += 1
    return found


async def test_closed_websocket_leaves_no_objects(stage: Stage, no_collector):
    before = count_leftovers()
    polite, cut = [await stage.enter(uid, auto=False) for uid in ("alice", "bob")]
    for actor in (polite, cut):
        await actor.chat.connect()
        await actor.wait_connected()
    assert count_leftovers() - before == {"SocketProtocol": 2, "ServerProtocol": 2}
    await polite.chat.disconnect()
    await stage.pass_time(1)
    assert count_leftovers() - before == {"SocketProtocol": 1, "ServerProtocol": 1}
    stage.network.cut()
    await stage.pass_time(200)
    assert count_leftovers() - before == {}


async def test_abruptly_closed_websocket_leaves_no_objects(stage: Stage, no_collector):
    before = count_leftovers()
    await stage.enter("alice")
    assert count_leftovers() - before == {"SocketProtocol": 1, "ServerProtocol": 1}
    stage.network.refusing = True
    for end in stage.network.of(""):
        if end.name == "client":
            end.close()
    await stage.pass_time(10)
    assert count_leftovers() - before == {}
