"""A device's line: all its connections share its rate and queue, and a sender that finds the queue full waits."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from tailwire.testing.virtual.network import DELAY_SECONDS, current_process
from tailwire.testing.virtual.world import virtual_loop

pytestmark = pytest.mark.virtual
PORT = 1
RATE = 15_000.0  # ten full packets per second


class End(asyncio.Protocol):
    """Records what arrives and when, and whether writing is paused."""

    def __init__(self):
        self.came = []
        self.may_write = True
        self.lost = False

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.came.append((virtual_loop().time(), len(data)))

    def pause_writing(self):
        self.may_write = False

    def resume_writing(self):
        self.may_write = True

    def connection_lost(self, error):
        self.lost = True

    @property
    def bytes(self):
        return sum(size for _, size in self.came)


async def connections(count=1):
    network = virtual_loop().network
    there = []
    network.listen(PORT, lambda: there.append(End()) or there[-1])
    current_process.set("phone#1")
    here = [(await virtual_loop().create_connection(End, "server", PORT))[1] for _ in range(count)]
    return network, here, there


def acked(end):
    """Return how many bytes the peer of a connection has acknowledged, as the kernel reports it (`tcp_info`)."""
    info = end.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, 11, 256)
    return struct.unpack_from("=Q", info, 120)[0]


async def test_bytes_arrive_at_the_line_rate():
    network, (here,), (there,) = await connections()
    network.set_line("phone", RATE, RATE, queue=5.0)
    begin = virtual_loop().time()
    here.transport.write(bytes(14_600))
    await asyncio.sleep(2)
    assert there.bytes == 14_600
    assert there.came[-1][0] - begin == pytest.approx(1.0 + DELAY_SECONDS)


async def test_connections_of_a_device_share_its_line():
    network, (one, two), (at_one, at_two) = await connections(2)
    network.set_line("phone", RATE, RATE, queue=0.2)
    one.transport.write(bytes(14_600))
    two.transport.write(bytes(14_600))
    await asyncio.sleep(1.05)
    assert at_one.bytes + at_two.bytes == 14_600
    assert abs(at_one.bytes - at_two.bytes) <= 3 * 1460


async def test_other_devices_are_not_slowed():
    network, (here,), (there,) = await connections()
    network.set_line("desk", 10.0, 10.0, queue=0.0)
    here.transport.write(bytes(100_000))
    await asyncio.sleep(DELAY_SECONDS * 2)
    assert there.bytes == 100_000


async def test_full_queue_fills_the_buffer_and_pauses_the_writer():
    network, (here,), (there,) = await connections()
    network.set_line("phone", RATE, RATE, queue=1.0)
    here.transport.set_write_buffer_limits(high=0)
    here.transport.write(bytes(29_200))
    assert not here.may_write
    assert here.transport.get_write_buffer_size() == 29_200 - 14_600
    await asyncio.sleep(0.95)
    assert not here.may_write
    await asyncio.sleep(0.15)
    assert here.may_write
    assert here.transport.get_write_buffer_size() == 0
    await asyncio.sleep(1)
    assert there.bytes == 29_200


async def test_server_sees_acknowledged_bytes():
    network, (here,), (there,) = await connections()
    network.set_line("phone", RATE, RATE, queue=1.0, latency=0.0)
    there.transport.write(bytes(14_600))
    await asyncio.sleep(0.55)
    assert acked(there) == 5 * 1460 == here.bytes
    network.half_open("phone")
    await asyncio.sleep(5)
    assert acked(there) == 5 * 1460
    assert there.transport.get_extra_info("socket").fileno() == -1


async def test_connecting_takes_a_round_trip_through_the_queue():
    network, (here,), _ = await connections()
    network.set_line("phone", RATE, RATE, queue=5.0, latency=0.3)
    here.transport.write(bytes(14_600))
    begin = virtual_loop().time()
    await virtual_loop().create_connection(End, "server", PORT)
    assert 1.0 + 0.6 < virtual_loop().time() - begin < 1.0 + 0.6 + 0.03


async def test_removed_line_delivers_everything():
    network, (here,), (there,) = await connections()
    network.set_line("phone", RATE, RATE, queue=1.0)
    here.transport.write(bytes(100_000))
    here.transport.close()
    network.restore()
    await asyncio.sleep(0.1)
    assert there.bytes == 100_000
    assert there.lost
    assert not virtual_loop().pending_timers()


async def test_unsent_data_of_an_aborted_connection_is_dropped():
    network, (here,), (there,) = await connections()
    network.set_line("phone", RATE, RATE, queue=0.2)
    here.transport.write(bytes(100_000))
    here.transport.abort()
    await asyncio.sleep(20)
    assert there.bytes <= 3000
    assert not virtual_loop().pending_timers()
