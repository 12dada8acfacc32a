"""The proxy's connections are closed with it, whatever state they are in."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

import pytest

from tailwire.testing.line.forwarding import Forwarder
from tailwire.testing.line.pair import Faults
from tailwire.testing.line.proxy import FaultProxy

TIMEOUT_SECONDS = 10


def new_connection() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a TCP connection: that of the client, and the accepted one, which does not block."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        accepted, _ = listening.accept()
    accepted.setblocking(False)
    return client, accepted


async def test_connection_that_was_accepted_just_before_the_end_is_closed():
    client, accepted = new_connection()
    forwarder = Forwarder("127.0.0.1", 1, Faults())
    forwarder.take(accepted)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await forwarder.close()
    assert forwarder.pairs == set()
    assert accepted.fileno() == -1
    client.close()


async def test_connection_is_closed_whose_server_disconnected_while_it_was_opened(monkeypatch: pytest.MonkeyPatch):
    opened: list[socket.socket] = []

    async def create_connection(factory: Callable[[], asyncio.BaseProtocol], *, sock: socket.socket) -> None:
        factory()
        opened.append(sock)
        raise OSError(errno.EINVAL, "Invalid argument")  # setting TCP_NODELAY on macOS, after the peer's reset

    client, accepted = new_connection()
    with socket.create_server(("127.0.0.1", 0)) as server:
        forwarder = Forwarder("127.0.0.1", server.getsockname()[1], Faults())
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", create_connection)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            forwarder.take(accepted)
            while forwarder.pairs:
                await asyncio.sleep(0.01)
            await forwarder.close()
    assert [sock.fileno() for sock in opened] == [-1]
    client.close()


async def test_line_that_was_closed_can_be_started_again():
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        proxy = FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1])
        for _ in range(2):
            async with proxy, asyncio.timeout(TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                assert await reader.read() == b"hello"
                writer.close()
                await writer.wait_closed()
