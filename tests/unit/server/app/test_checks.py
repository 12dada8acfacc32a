"""Checks before the server starts."""

from __future__ import annotations

import asyncio
import socket

from tailwire.server.app.checks import bind


async def test_tcp_nodelay_is_set_on_accepted_connections():
    listening, made = bind("127.0.0.1", 0), asyncio.get_running_loop().create_future()

    class Served(asyncio.Protocol):
        def connection_made(self, transport):
            made.set_result(transport)

    server = await asyncio.get_running_loop().create_server(Served, sock=listening)
    async with server:
        _, writer = await asyncio.open_connection(*listening.getsockname())
        transport = await made
        assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        transport.close()
