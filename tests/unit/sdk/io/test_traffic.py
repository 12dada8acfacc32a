"""When bytes last moved, as reported by readers and writers, or by the system."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from tailwire.sdk.io.traffic import Traffic

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the system counts what was acknowledged on Linux")


class Stream:
    """A connection like those of the HTTP library."""

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


async def acknowledged_at(traffic: Traffic, clock: Clock) -> float:
    # The peer's system acknowledges a moment later.
    async with asyncio.timeout(5):
        while traffic.moved_at == 0.0:
            clock.now += 1.0
            traffic.check_acknowledged()
            await asyncio.sleep(0)
    return clock.now


async def test_acknowledged_bytes_count_at_the_next_check(pair):
    clock = Clock()
    traffic, stream = Traffic(clock), Stream(pair[0])
    traffic.watch(stream)
    traffic.check_acknowledged()
    assert traffic.moved_at == 0.0
    pair[0].sendall(b"x" * 1000)
    seen = await acknowledged_at(traffic, clock)
    assert traffic.moved_at == seen
    assert traffic.passed_at == 0.0  # the peer may have acknowledged them long ago
    clock.now += 10.0
    traffic.check_acknowledged()
    assert traffic.moved_at == seen  # nothing more was written


async def test_check_with_only_from_now_ignores_bytes_acknowledged_before(pair):
    clock = Clock()
    traffic, other = Traffic(clock), Traffic(clock)
    stream = Stream(pair[0])
    traffic.watch(stream)
    other.watch(stream)
    pair[0].sendall(b"x")
    await acknowledged_at(other, clock)
    traffic.check_acknowledged(only_from_now=True)
    traffic.check_acknowledged()
    assert traffic.moved_at == 0.0


async def test_closed_and_collected_connections_are_forgotten(pair):
    traffic, stream = Traffic(Clock()), Stream(pair[0])
    traffic.watch(stream)
    pair[0].close()
    traffic.check_acknowledged()
    assert len(traffic._watched) == 0
    traffic.watch(Stream(pair[1]))
    assert len(traffic._watched) == 0
