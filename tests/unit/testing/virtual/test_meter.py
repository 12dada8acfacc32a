"""The meter counts a single device's share of what happens on the loop."""

from __future__ import annotations

import asyncio
from contextvars import copy_context

import pytest

from tailwire.testing.virtual.meter import Meter
from tailwire.testing.virtual.network import current_process
from tailwire.testing.virtual.world import virtual_loop

pytestmark = pytest.mark.virtual
PORT = 1


def as_device(name):
    context = copy_context()
    context.run(current_process.set, f"{name}#1")
    return context


async def test_timers_and_arrivals_count_as_wakeups_of_their_device_only():
    network = virtual_loop().network
    network.listen(PORT, asyncio.Protocol)
    meter = network.meter = Meter()

    async def use():
        transport, _ = await virtual_loop().create_connection(asyncio.Protocol, "server", PORT)
        await asyncio.sleep(1)
        transport.write(bytes(3000))
        transport.peer.write(bytes(10))
        await asyncio.sleep(1)

    await virtual_loop().create_task(use(), context=as_device("phone"))
    await virtual_loop().create_task(asyncio.sleep(5), context=as_device("desk"))
    phone, desk = meter.of("phone"), meter.of("desk")
    assert (phone.connections, phone.up, phone.down) == (1, 3000 + 3 * 40, 10 + 40)
    assert (phone.timers, phone.wakeups) == (3, 4)  # connecting, two sleeps; and received data
    assert (desk.connections, desk.timers, desk.wakeups) == (0, 1, 1)


async def test_refused_attempt_counts_as_a_connection():
    network = virtual_loop().network
    meter = network.meter = Meter()
    with pytest.raises(ConnectionRefusedError):
        await virtual_loop().create_connection(asyncio.Protocol, "server", PORT)
    assert meter.of("").connections == 1
