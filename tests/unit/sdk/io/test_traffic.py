"""When bytes last moved: told by what reads and writes, or asked of the system."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from tailwire.sdk.io.traffic import Traffic

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the system counts what was acknowledged on Linux")


class Stream:
    """A connection as the HTTP library has it."""

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw

    def get_extra_info(self, name: str) -> socket.socket:
        assert name == "socket"
        return self.raw


@pytest.fixture
def pair():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        here = socket.create_connection(listening.getsockname())
        there, _ = listening.accept()
    with here, there:
        yield here, there


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def taken(traffic: Traffic, clock: Clock) -> float:
    # The other end's system acknowledges by itself, a moment later.
    async with asyncio.timeout(5):
        while traffic.moved_at == 0.0:
            clock.now += 1.0
            traffic.look()
            await asyncio.sleep(0)
    return clock.now


async def test_what_the_other_end_acknowledges_is_noted_when_it_is_looked_for(pair):
    clock = Clock()
    traffic, stream = Traffic(clock), Stream(pair[0])
    traffic.watch(stream)
    traffic.look()
    assert traffic.moved_at == 0.0
    pair[0].sendall(b"x" * 1000)
    seen = await taken(traffic, clock)
    assert traffic.moved_at == seen
    clock.now += 10.0
    traffic.look()
    assert traffic.moved_at == seen  # nothing more was written


async def test_a_look_can_take_what_has_moved_for_known(pair):
    clock = Clock()
    traffic, other = Traffic(clock), Traffic(clock)
    stream = Stream(pair[0])
    traffic.watch(stream)
    other.watch(stream)
    pair[0].sendall(b"x")
    await taken(other, clock)
    traffic.look(only_from_now=True)
    traffic.look()
    assert traffic.moved_at == 0.0


async def test_a_closed_connection_and_one_that_is_gone_are_forgotten(pair):
    traffic, stream = Traffic(Clock()), Stream(pair[0])
    traffic.watch(stream)
    pair[0].close()
    traffic.look()
    assert len(traffic._watched) == 0
    traffic.watch(Stream(pair[1]))
    assert len(traffic._watched) == 0
