"""Requests over real sockets: dead connections, endless responses, exceptions of the library."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tailwire import CometChatException
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.traffic import Traffic
from tailwire.sdk.io.world import Identity, Timer, World
from tailwire.server.auth.certificate import self_signed

FASTER = 10
OK = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"data": 1}'
Serve = Callable[[int, int, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[object]]


class QuickWorld(World):
    """The real world, with a clock that runs ten times as fast."""

    def now(self) -> float:
        return super().now() * FASTER

    def timer(self, seconds: float, ring: Callable[[], None]) -> Timer:
        return super().timer(seconds / FASTER, ring)


async def seconds(number: float) -> None:
    """Wait for a number of seconds on the clock of `QuickWorld`."""
    await asyncio.sleep(number / FASTER)


class Peer:
    """A server with scripted responses.

    Attributes:
        made: the number of connections that were made.
        ended: by number of a connection, an event that is set when the client has closed it.
    """

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.made = 0
        self.heads: list[bytes] = []
        self.ended: dict[int, asyncio.Event] = {}
        self._serving: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """End the connections that the client has left open."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)  # the event loop itself keeps only a weak reference
        self.made += 1
        mine, ended = self.made, asyncio.Event()
        self.ended[mine] = ended
        request = 0
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                request += 1
                await self._serve(mine, request, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            ended.set()
        except asyncio.CancelledError:
            return  # by `close()`
        finally:
            writer.close()


@asynccontextmanager
async def asking(
    serve: Serve, *, tls: ssl.SSLContext | None = None, small: bool = False, world: World | None = None
) -> AsyncIterator:
    """Yield a client, and the peer that it talks to."""
    peer, world = Peer(serve), world or QuickWorld()
    listening = socket.create_server(("127.0.0.1", 0))
    if small:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    server = await asyncio.start_server(peer.connection, sock=listening, ssl=tls)
    url = f"http{'s' * bool(tls)}://127.0.0.1:{listening.getsockname()[1]}"
    http = Http(world, url, Identity("app", "resource"), None, Traffic(world.now))
    try:
        yield http, peer
    finally:
        await http.close()
        server.close()
        await peer.close()


async def fine(connection, request, reader, writer):
    writer.write(OK)


async def dies_once_used(connection, request, reader, writer):
    if connection == 1 and request == 2:
        writer.close()
    else:
        writer.write(OK)


async def silent_once_used(connection, request, reader, writer):
    if connection == 1 and request == 2:
        await asyncio.Event().wait()
    writer.write(OK)


async def error_of(call: Awaitable[object]) -> CometChatException:
    with pytest.raises(CometChatException) as caught:
        await call
    return caught.value


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), [("GET", "/messages"), ("PUT", "/me")])
@pytest.mark.parametrize("serve", [dies_once_used, silent_once_used])
async def test_safe_request_is_repeated_on_a_new_connection(method, path, serve):
    async with asking(serve) as (http, peer):
        assert [await http.ask(method, path) for _ in range(3)] == [1, 1, 1]
        assert peer.made == 2
        assert len(peer.heads) == 4


@pytest.mark.slow
async def test_pool_is_dropped_with_a_dead_connection():
    async def serve(connection, request, reader, writer):
        if connection <= 2 and request == 2:
            await asyncio.Event().wait()
        writer.write(OK)

    async with asking(serve) as (http, peer):
        await asyncio.gather(http.ask("GET", "/me"), http.ask("GET", "/me"))
        assert await http.ask("GET", "/me") == 1
        assert (peer.made, len(peer.heads)) == (3, 4)


async def test_unsafe_request_is_not_repeated_and_the_pool_is_dropped():
    async with asking(dies_once_used) as (http, peer):
        await http.ask("POST", "/groups", body={})
        assert (await error_of(http.ask("POST", "/groups", body={}))).code == "NO_INTERNET_CONNECTION"
        assert await http.ask("POST", "/groups", body={}) == 1
        assert (peer.made, len(peer.heads)) == (2, 3)


@pytest.mark.slow
async def test_repeated_request_on_a_silent_connection_fails_in_time_for_another_attempt():
    async with asking(silent_once_used) as (http, peer):
        await http.ask("POST", "/messages", body={})
        async with http.progress_timeout() as time_limit:
            error = await error_of(http.ask("POST", "/messages", body={}, time_limit=time_limit, repeated=True))
            assert error.cause is Cause.ATTEMPT_TIMEOUT
            assert await http.ask("POST", "/messages", body={}, time_limit=time_limit, repeated=True) == 1
        assert peer.made == 2


@pytest.mark.slow
async def test_moving_bytes_extend_the_wait_for_a_response():
    answers = asyncio.Event()

    async def serve(connection, request, reader, writer):
        if request == 2:
            await answers.wait()
        writer.write(OK)

    async with asking(serve) as (http, peer):
        await http.ask("GET", "/me")
        call = asyncio.create_task(http.ask("GET", "/me"))
        for _ in range(4):
            await seconds(3)
            http.traffic.record_movement()  # bytes on another connection
        answers.set()
        assert await call == 1
        assert peer.made == 1


@pytest.mark.slow
async def test_first_response_on_a_new_connection_may_take_nine_seconds():
    async def serve(connection, request, reader, writer):
        await seconds(9)
        writer.write(OK)

    async with asking(serve) as (http, peer):
        assert await http.ask("GET", "/me") == 1
        assert peer.made == 1


async def test_truncated_response_is_not_requested_again():
    """A response had begun, so the caller decides what to do."""

    async def serve(connection, request, reader, writer):
        writer.write(OK if request == 1 else OK[:-5])
        if request == 2:
            writer.close()

    async with asking(serve) as (http, peer):
        await http.ask("GET", "/me")
        assert (await error_of(http.ask("GET", "/me"))).code == "NO_INTERNET_CONNECTION"
        assert len(peer.heads) == 2


async def test_dropped_connections_close_after_their_requests():
    goes_on = asyncio.Event()

    async def serve(connection, request, reader, writer):
        if connection == 1 and request == 2:
            await goes_on.wait()
        writer.write(OK)

    async with asking(serve) as (http, peer):
        await http.ask("POST", "/groups", body={})
        running = asyncio.create_task(http.ask("POST", "/groups", body={}))
        while len(peer.heads) < 2:
            await asyncio.sleep(0.001)
        http.use_new_connections()
        http.use_new_connections()
        assert await http.ask("POST", "/groups", body={}) == 1
        assert peer.made == 2
        assert not peer.ended[1].is_set()
        goes_on.set()
        assert await running == 1
        await asyncio.wait_for(peer.ended[1].wait(), 5)
        http.use_new_connections()
        await asyncio.wait_for(peer.ended[2].wait(), 5)
        assert await http.ask("GET", "/me") == 1
        assert peer.made == 3


async def test_cancelled_request_leaves_the_other_pooled_connections_in_use():
    hangs = asyncio.Event()

    async def serve(connection, request, reader, writer):
        if request == 2 and not hangs.is_set():
            hangs.set()
            await asyncio.Event().wait()
        writer.write(OK)

    async with asking(serve) as (http, peer):
        await asyncio.gather(http.ask("GET", "/me"), http.ask("GET", "/me"))
        assert peer.made == 2
        call = asyncio.create_task(http.ask("GET", "/me"))
        await hangs.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await http.ask("GET", "/me") == 1
        assert peer.made == 2


async def test_endless_response_is_aborted():
    async def endless(connection, request, reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while True:
            writer.write(b" " * 65536)
            await writer.drain()

    async with asking(endless) as (http, _):
        error = await error_of(http.ask("GET", "/messages"))
        assert error.code == "ERR_ANSWER_TOO_LARGE"
        assert "4194304 bytes" in error.details
        # The request may have been executed, so this is not a refusal.
        error = await error_of(http.ask("POST", "/messages", body={}))
        assert (error.code, error.cause) == ("NO_INTERNET_CONNECTION", Cause.NOT_OUR_SERVER)


def as_json(content: bytes, *more: str) -> bytes:
    head = ["HTTP/1.1 200 OK", "content-type: application/json", f"content-length: {len(content)}", *more, "", ""]
    return "\r\n".join(head).encode() + content


def nested(depth: int) -> Serve:
    """Return what responds with three entries: a deeply nested one, one with a long number, and a plain one."""
    deep, long = b"[" * depth + b"]" * depth, b"9" * 5000

    async def serve(connection, request, reader, writer):
        writer.write(as_json(b'{"data": [{"id": "1", "a": %b}, {"id": "2", "b": %b}, "3"]}' % (deep, long)))

    return serve


@pytest.mark.parametrize("depth", [990, 5_000])
async def test_deep_nesting_and_long_numbers_leave_the_rest_readable(depth):
    async with asking(nested(depth)) as (http, _):
        first, second, third = await http.ask("GET", "/messages")
        assert (first["id"], second, third) == ("1", {"id": "2", "b": None}, "3")


async def test_large_response_with_deep_nesting_is_refused():
    async with asking(nested(300_000)) as (http, _):
        assert (await error_of(http.ask("GET", "/messages"))).code == "ERR_ANSWER_TOO_LARGE"


@pytest.mark.slow
async def test_decompression_is_bounded():
    packed = gzip.compress(b'{"data": [{"id": "77", "x": "' + b" " * 100_000_000)

    async def serve(connection, request, reader, writer):
        writer.write(as_json(packed, "content-encoding: gzip"))

    async with asking(serve, world=World()) as (http, _):  # tracemalloc makes it slow
        tracemalloc.start()
        try:
            error = await error_of(http.ask("GET", "/messages"))
            held = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert error.code == "ERR_ANSWER_TOO_LARGE"
        assert held < 16 * 1024 * 1024
        assert b'"id": "77"' in error.head


@pytest.mark.parametrize("packed", [gzip.compress(b'{"data": 1}', mtime=0)[:-9], b"no gzip"])
async def test_response_with_invalid_compression_is_not_from_our_server(packed):
    async def serve(connection, request, reader, writer):
        head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
        writer.write(f"{head}content-length: {len(packed)}\r\n\r\n".encode() + packed)

    async with asking(serve) as (http, _):
        assert (await error_of(http.ask("GET", "/me"))).cause is Cause.NOT_OUR_SERVER


async def test_compressed_response_is_read():
    packed = gzip.compress(b'{"data": [1, 2]}')

    async def serve(connection, request, reader, writer):
        head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
        writer.write(f"{head}content-length: {len(packed)}\r\n\r\n".encode() + packed)

    async with asking(serve) as (http, peer):
        assert await http.ask("GET", "/me") == [1, 2]
        assert b"accept-encoding: gzip\r\n" in peer.heads[0].lower()


async def test_answered_is_called_only_for_responses_of_the_server():
    answers = [
        OK,
        b'HTTP/1.1 404 Not Found\r\ncontent-length: 28\r\n\r\n{"error": {"code": "ERR_X"}}',
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    ]

    async def serve(connection, request, reader, writer):
        writer.write(answers[request - 1])

    calls: list[str] = []
    async with asking(serve) as (http, _):
        http.on_answer = lambda: calls.append("answered")
        http.on_success = lambda: calls.append("succeeded")
        await http.ask("GET", "/me")
        assert calls == ["answered", "succeeded"]
        assert (await error_of(http.ask("GET", "/me"))).code == "ERR_X"
        assert calls == ["answered", "succeeded", "answered"]
        assert (await error_of(http.ask("GET", "/me"))).cause is Cause.CAPTIVE_PORTAL
        assert len(calls) == 3


@pytest.mark.slow
async def test_upload_progress_counts_only_what_the_network_accepted():
    """The peer reads nothing: of 4 MB, only what fits into small buffers counts."""
    taken = 0

    async def reads_nothing(connection, request, reader, writer):
        writer.transport.pause_reading()
        await asyncio.Event().wait()

    async def pieces():
        nonlocal taken
        for _ in range(256):
            yield b"x" * 16384
            taken += 16384

    async with asking(reads_nothing, small=True) as (http, _):
        error = await error_of(http.upload(f"{http.base_url}/files", pieces(), 256 * 16384, "text/plain"))
        assert error.cause is Cause.ATTEMPT_TIMEOUT
        assert 0 < taken < 1_000_000


async def test_untrusted_certificate_is_named(tmp_path: Path):
    certificate, key = self_signed(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with asking(fine, tls=context) as (http, _):
        error = await error_of(http.ask("GET", "/me"))
    assert error.cause is not None
    assert error.cause.startswith(("tls_", "certificate_"))
    assert "internet connection" not in error.message
    assert "CERTIFICATE_VERIFY_FAILED" in error.details


@pytest.mark.parametrize("base", ["http://[::1", "http://a b", "ftp://host", "http://host:99999", "http://\x00", ""])
async def test_invalid_url_raises_a_cometchat_exception(base):
    http = Http(QuickWorld(), base, Identity("app", "resource"), None)
    assert (await error_of(http.ask("GET", "/me"))).code == "NO_INTERNET_CONNECTION"
    await http.close()


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "gopher://127.0.0.1:1", "http://[::1"])
async def test_unusable_proxy_settings_raise_a_cometchat_exception(monkeypatch, proxy):
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    async with asking(fine) as (http, _):
        await error_of(http.ask("GET", "/me"))


async def test_token_that_is_invalid_in_a_header_raises_a_cometchat_exception():
    async with asking(fine) as (http, _):
        for token in ("line\nbreak", "ünï", "\ud800"):
            await error_of(http.ask("GET", "/me", token=token))


def test_connections_can_be_dropped_after_the_event_loop_has_ended():
    """A request that was abandoned with its loop is finalized later."""

    async def used() -> Http:
        http = Http(QuickWorld(), "http://127.0.0.1:9", Identity("app", "resource"), None)
        http._pool_in_use()
        return http

    http = asyncio.run(used())
    pool = http._pool
    http.use_new_connections()
    asyncio.run(http.close())
    assert pool.client.is_closed


async def test_idle_connection_is_not_used_after_a_minute(monkeypatch):
    """The server keeps idle connections for longer (75 s), so that it never closes one while a request uses it."""
    honest, slept = time.monotonic, 0.0
    monkeypatch.setattr(time, "monotonic", lambda: honest() + slept)  # the HTTP library's clock
    async with asking(fine) as (http, peer):
        await http.ask("GET", "/me")
        for idle, made in ((55, 1), (55, 1), (61, 2), (55, 2), (74, 3)):
            slept += idle
            await http.ask("GET", "/me")
            assert peer.made == made
        await asyncio.wait_for(asyncio.gather(peer.ended[1].wait(), peer.ended[2].wait()), 5)
        assert not peer.ended[3].is_set()
