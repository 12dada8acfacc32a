"""The proxy on real sockets, to an echo server. Time limits are lower bounds, or generous."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from collections.abc import AsyncIterator

import pytest

from tailwire.testing.line.proxy import FaultProxy
from tailwire.testing.line.shape import Shape, from_kbit

pytestmark = pytest.mark.slow  # rates and delays in real time

KBYTE = 1000
TIMEOUT_SECONDS = 20  # seconds that anything may take on a busy machine


class Echo:
    """A server that echoes everything.

    Attributes:
        port: the port that it listens on.
        opened: the number of connections so far.
    """

    def __init__(self) -> None:
        self.opened = self.now = 0
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.now += 1
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                writer.write(data)
                await writer.drain()
        await close_writer(writer)
        self.now -= 1


OPENED: list[asyncio.StreamWriter] = []


async def close_writer(writer: asyncio.StreamWriter) -> None:
    """Close a socket, whatever its state."""
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def line(shape: Shape | None = None) -> AsyncIterator[tuple[FaultProxy, Echo]]:
    echo = Echo()
    server = await asyncio.start_server(echo.answer, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    try:
        async with FaultProxy("127.0.0.1", echo.port) as proxy, asyncio.timeout(TIMEOUT_SECONDS):
            proxy.shape(shape)
            yield proxy, echo
        assert proxy.open == 0
        left = [t for t in asyncio.all_tasks() if "Forwarder" in repr(t)]
        assert not left
    finally:
        server.close()
        while OPENED:
            await close_writer(OPENED.pop())
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while echo.now:
                await asyncio.sleep(0.01)


async def connect(proxy: FaultProxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    OPENED.append(writer)
    return reader, writer


async def echoed(proxy: FaultProxy, data: bytes) -> float:
    """Send over a new connection and wait until everything is echoed; return the seconds."""
    begin = time.monotonic()
    reader, writer = await connect(proxy)
    writer.write(data)
    assert await reader.readexactly(len(data)) == data
    writer.close()
    return time.monotonic() - begin


async def test_unshaped_proxy_is_fast_and_transparent():
    async with line() as (proxy, _):
        assert await echoed(proxy, bytes(range(256)) * 8000) < 5
        up, down = proxy.passed
        assert up >= 2_048_000
        assert down >= 2_048_000


async def test_up_rate_of_the_line_limits_an_upload():
    async with line(Shape(up=64 * KBYTE)) as (proxy, _):
        assert 0.9 <= await echoed(proxy, bytes(64 * KBYTE)) < 10


async def test_down_rate_of_the_line_limits_a_download():
    async with line(Shape(down=64 * KBYTE)) as (proxy, _):
        assert 0.9 <= await echoed(proxy, bytes(64 * KBYTE)) < 10


async def test_connecting_and_requesting_take_a_round_trip_each():
    async with line(Shape(latency=0.1)) as (proxy, _):
        assert 0.4 <= await echoed(proxy, b"hello") < 5
        reader, writer = await connect(proxy)
        writer.write(b"a")
        await reader.readexactly(1)
        begin = time.monotonic()
        writer.write(b"b")
        await reader.readexactly(1)
        assert 0.2 <= time.monotonic() - begin < 5
        writer.close()


async def test_requests_during_an_upload_wait_in_the_queue():
    async with line(Shape(up=from_kbit(512), queue=1)) as (proxy, _):
        reader, writer = await connect(proxy)
        writer.write(bytes(400 * KBYTE))
        await reader.readexactly(100 * KBYTE)  # the queue is full by now
        assert 0.9 <= await echoed(proxy, b"hello") < 8
        writer.close()


async def test_kernel_adds_no_long_queue():
    """Little of an upload is in flight: the sender still holds the bytes that the line has not carried."""
    async with line(Shape(up=8 * KBYTE, queue=0.5)) as (proxy, _):
        _, writer = await connect(proxy)
        writer.transport.set_write_buffer_limits(high=0)
        begin, written = time.monotonic(), 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.5):
                while True:
                    writer.write(bytes(1000))
                    written += 1000
                    await writer.drain()
        assert written < 300 * KBYTE + 8 * KBYTE * (time.monotonic() - begin)
        writer.transport.abort()


async def test_two_connections_share_the_line():
    async with line(Shape(up=100 * KBYTE, queue=0.1)) as (proxy, _):
        one, other = await asyncio.gather(echoed(proxy, bytes(100 * KBYTE)), echoed(proxy, bytes(100 * KBYTE)))
        assert max(one, other) >= 1.8
        assert min(one, other) >= 1.2  # the two shared the line


async def test_unread_data_stays_with_the_sender():
    """Data that the client does not read stays with the server: nothing is buffered without a bound."""
    async with line() as (proxy, _):
        reader, writer = await connect(proxy)
        writer.transport.set_write_buffer_limits(high=0)
        writer.transport.pause_reading()
        written = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while written < 50_000_000:
                    writer.write(bytes(10_000))
                    written += 10_000
                    await writer.drain()
        assert written < 20_000_000
        writer.transport.resume_reading()
        assert len(await reader.readexactly(written)) == written
        writer.close()


async def connected(proxy: FaultProxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection over which a byte was echoed."""
    reader, writer = await connect(proxy)
    writer.write(b"a")
    await reader.readexactly(1)
    return reader, writer


async def test_cut_ends_all_connections_and_refuses_new_ones_until_restore():
    async with line() as (proxy, echo):
        readers = [(await connected(proxy))[0] for _ in range(2)]
        proxy.cut()
        assert [await reader.read() for reader in readers] == [b"", b""]
        reader, _ = await connect(proxy)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert echo.opened == 2
        proxy.restore()
        await echoed(proxy, b"b")


async def test_half_open_connections_carry_nothing_and_end_with_restore():
    async with line() as (proxy, echo):
        proxy.half_open()
        reader, writer = await connect(proxy)
        writer.write(b"c")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await reader.read(1)
        assert echo.opened == 0
        proxy.restore()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""


async def test_restore_ends_a_delay_and_keeps_the_shape():
    async with line(Shape(up=500 * KBYTE, latency=0.05)) as (proxy, _):
        proxy.delay = 0.1
        assert await echoed(proxy, b"d") >= 0.6
        proxy.restore()
        assert proxy.delay == 0
        assert await echoed(proxy, b"d") >= 0.2


async def test_delay_is_kept_when_the_shape_is_removed():
    async with line(Shape(up=500 * KBYTE, latency=0.05)) as (proxy, _):
        proxy.delay = 0.1
        proxy.shape()
        assert await echoed(proxy, b"d") >= 0.4


async def test_end_of_a_connection_follows_its_bytes():
    async with line(Shape(up=50 * KBYTE, down=50 * KBYTE)) as (proxy, echo):
        reader, writer = await connect(proxy)
        writer.write(bytes(20 * KBYTE))
        assert len(await reader.readexactly(20 * KBYTE)) == 20 * KBYTE
        writer.close()
        while proxy.open:
            await asyncio.sleep(0.01)
        assert echo.opened == 1


async def test_new_connections_are_unanswered_until_restore():
    async with line() as (proxy, echo):
        reader, writer = await connect(proxy)
        writer.write(b"a")
        await reader.readexactly(1)
        proxy.swallow()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await connect(proxy)
        writer.write(b"b")  # existing connections stay
        assert await reader.readexactly(1) == b"b"
        proxy.restore()
        await echoed(proxy, b"c")
        assert echo.opened == 2
        writer.close()


async def test_half_open_without_new_connections_silences_only_existing_ones():
    async with line() as (proxy, _):
        reader, writer = await connect(proxy)
        writer.write(b"a")
        await reader.readexactly(1)
        proxy.half_open(new=False)
        writer.write(b"b")
        await echoed(proxy, b"c")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.read(1)
        proxy.restore()
        assert await reader.read() == b""


async def test_only_idle_connections_are_reset():
    async with line() as (proxy, _):
        idle, _idle_writer = await connect(proxy)
        busy, writer = await connect(proxy)
        proxy.idle_kill(1)
        ended = asyncio.ensure_future(idle.read())
        while not ended.done():
            writer.write(b"x")
            await busy.readexactly(1)
            await asyncio.sleep(0.05)
        assert ended.result() == b""
        proxy.restore()
        await asyncio.wait([asyncio.ensure_future(busy.read(1))], timeout=1.5)
        assert proxy.open == 1
        writer.close()


async def ask(proxy: FaultProxy, *headers: str, body: bytes = b"") -> bytes:
    reader, writer = await connect(proxy)
    head = ["POST /messages HTTP/1.1", "Host: a", *headers, f"Content-Length: {len(body)}"]
    writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    try:
        return await reader.read() if not headers or proxy._faults.answer else await reader.read(65536)
    finally:
        writer.close()


@pytest.mark.parametrize("shape", [Shape(), Shape(up=500 * KBYTE, down=500 * KBYTE, latency=0.05)])
async def test_every_request_is_answered_in_the_servers_place(shape: Shape):
    async with line(shape) as (proxy, echo):
        reader, _ = await connect(proxy)
        while not echo.opened:
            await asyncio.sleep(0.01)
        proxy.answer(302, {"Location": "http://portal.example/"}, b"<html>" + bytes(30_000))
        assert await reader.read() == b""
        for _ in range(2):
            answer = await ask(proxy, body=bytes(50_000))
            assert answer.startswith(b"HTTP/1.1 302 Found\r\n")
            assert b"location: http://portal.example/" in answer
            assert answer.endswith(bytes(30_000))
        assert echo.opened == 1
        while proxy.open:
            await asyncio.sleep(0.01)
        proxy.restore()
        await echoed(proxy, b"x")
        assert echo.opened == 2


async def test_websockets_are_refused_and_other_requests_pass():
    async with line() as (proxy, _):
        proxy.refuse_websockets(426)
        assert (await ask(proxy, "Upgrade: websocket")).startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
        assert (await ask(proxy, "Accept: */*")).startswith(b"POST /messages")
        proxy.restore()
        assert (await ask(proxy, "Upgrade: websocket")).startswith(b"POST /messages")


async def test_tls_is_not_inspected():
    hello = b"\x16\x03\x01 Upgrade: websocket\r\n\r\n"
    async with line() as (proxy, echo):
        proxy.refuse_websockets(426)
        await echoed(proxy, hello)
        proxy.answer(200)
        reader, writer = await connect(proxy)
        writer.write(hello)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert echo.opened == 1


async def test_connection_to_an_unreachable_server_is_closed():
    async with line(Shape(latency=0.05)) as (proxy, _):
        proxy.aim(1)
        reader, _ = await connect(proxy)
        assert await reader.read() == b""


async def test_proxy_does_not_start_on_a_used_port():
    async with line() as (proxy, _):
        other = FaultProxy("127.0.0.1", 1)
        other.port = proxy.port
        with pytest.raises(OSError) as caught:
            await other.start()
        assert caught.value.errno == errno.EADDRINUSE


async def test_client_that_disconnects_immediately_leaves_no_connection():
    async with line(Shape(latency=0.02)) as (proxy, _):
        for _ in range(50):
            _, writer = await connect(proxy)
            writer.transport.abort()
        while proxy.open:
            await asyncio.sleep(0.01)
        await echoed(proxy, b"still there")


@pytest.mark.parametrize("shape", [Shape(), Shape(latency=0.05)])
@pytest.mark.parametrize("answers", [False, True])
async def test_client_that_has_closed_its_write_side_receives_the_answer(shape: Shape, answers: bool):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.read()
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + request)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, line(shape) as (proxy, _):
        proxy.aim(server.sockets[0].getsockname()[1])
        if answers:
            proxy.answer(503, body=b"down")
        reader, writer = await connect(proxy)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        writer.write_eof()
        assert (await reader.read()).endswith(b"\r\n\r\ndown" if answers else b"\r\n\r\nGET / HTTP/1.1\r\n\r\n")
        while proxy.open:
            await asyncio.sleep(0.01)


async def test_server_is_reset_that_answers_a_client_which_is_gone():
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        with contextlib.suppress(OSError):
            while True:
                writer.write(bytes(1000))
                await writer.drain()
                await asyncio.sleep(0.01)
        await close_writer(writer)
        ended.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, line() as (proxy, _):
        proxy.aim(server.sockets[0].getsockname()[1])
        _, writer = await connect(proxy)
        writer.write(b"a")
        writer.close()
        await ended.wait()
        while proxy.open:
            await asyncio.sleep(0.01)
