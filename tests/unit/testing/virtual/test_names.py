"""Names with several addresses: how the loop, the SDK and anyio on it choose one."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from tailwire.sdk.io.addresses import connected_socket
from tailwire.testing.virtual.network import CONNECT_TIMEOUT_SECONDS
from tailwire.testing.virtual.world import virtual_loop

pytestmark = pytest.mark.virtual
PORT = 1
SIX, FOUR, OTHER = "2001:db8::1", "192.0.2.1", "192.0.2.2"


def network(*addresses, dead=(), refused=()):
    net = virtual_loop().network
    net.listen(PORT, asyncio.Protocol)
    net.names.addresses["server"] = list(addresses)
    net.names.dead |= set(dead)
    net.names.refused |= set(refused)
    return net


async def raced():
    sock = await connected_socket("server", PORT)
    return await virtual_loop().create_connection(asyncio.Protocol, sock=sock)


async def seconds(work):
    begin = virtual_loop().time()
    await work
    return virtual_loop().time() - begin


async def test_connecting_without_a_race_waits_for_the_timeout_of_a_dead_address():
    network(SIX, FOUR, dead=[SIX])
    took = await seconds(virtual_loop().create_connection(asyncio.Protocol, "server", PORT))
    assert took > CONNECT_TIMEOUT_SECONDS


@pytest.mark.parametrize("first", [SIX, OTHER])
async def test_race_tries_the_next_address_after_the_delay(first):
    net = network(first, FOUR, dead=[first])
    assert 0.25 < await seconds(raced()) < 0.3
    assert [t.address for t in net.open] == [FOUR, FOUR]


async def test_refused_address_is_skipped_immediately():
    network(SIX, FOUR, refused=[SIX])
    assert await seconds(virtual_loop().create_connection(asyncio.Protocol, "server", PORT)) < 0.05


async def test_slow_address_is_connected_once():
    net = network(SIX, FOUR)
    net.accept_delay = 0.4
    await raced()
    await asyncio.sleep(5)
    assert net.connection_count == 1


async def test_errors_are_raised_if_no_address_is_reached():
    network(SIX, FOUR, dead=[SIX], refused=[FOUR])
    with pytest.raises(OSError, match=r"Multiple exceptions: timed out.*refused"):
        await virtual_loop().create_connection(asyncio.Protocol, "server", PORT)


async def test_anyio_tries_the_next_address_after_a_quarter_of_a_second():
    network(SIX, FOUR, dead=[SIX])
    took = await seconds(anyio.connect_tcp("server", PORT))
    assert 0.25 < took < 0.3


async def test_connection_to_the_previous_address_of_a_moved_name_is_half_open():
    net = network(FOUR)
    transport, _ = await virtual_loop().create_connection(asyncio.Protocol, "server", PORT)
    net.move("server", OTHER)
    assert transport.half_open
    fresh, _ = await virtual_loop().create_connection(asyncio.Protocol, "server", PORT)
    assert fresh.address == OTHER
    infos = await virtual_loop().getaddrinfo("server", PORT)
    assert [info[4] for info in infos] == [(OTHER, PORT)]
