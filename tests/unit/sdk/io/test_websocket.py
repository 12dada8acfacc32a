"""Opening a WebSocket, and the causes of refusals, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import time

import pytest
import uvloop
from websockets.asyncio.server import serve

from between import HttpProxy, Listener, Responder, SocksProxy, answer, dead_port
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.io.failures import AttemptError
from tailwire.sdk.io.websocket import open_wire


def envelope(code: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": "No.", "details": "Do this."}}).encode()


async def failure_of(port: int, proxy: str = "", host: str = "127.0.0.1") -> AttemptError:
    async with asyncio.timeout(8):
        with pytest.raises(AttemptError) as caught:
            await open_wire(f"ws://{host}:{port}/", {}, None, proxy)
    return caught.value


STRIPPED = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n"
BUSY, LATER = {"Retry_After": "7"}, 7.0

REFUSALS = [
    # By the server itself, in the envelope.
    (answer("429 Too Many Requests", envelope("ERR_TOO_MANY_REQUESTS"), **BUSY), Cause.SERVER_BUSY, LATER, True, "429"),
    (answer("503 Unavailable", envelope("ERR_UNAVAILABLE"), **BUSY), Cause.SERVER_BUSY, LATER, True, "503"),
    (answer("401 No", envelope("AUTH_ERR_AUTH_TOKEN_NOT_FOUND")), Cause.TOKEN_REJECTED, None, False, "401"),
    (answer("400 No", envelope("AUTH_ERR_INVALID_APPID")), Cause.REFUSED, None, False, "400"),
    (answer("500 Oops", envelope("ERR_SOMETHING")), Cause.BAD_ANSWER, None, False, "500"),
    (answer("404 Not Found", envelope("ERR_NOT_FOUND")), Cause.WEBSOCKET_REFUSED, None, False, "no request to upgrade"),
    # By a captive portal.
    (answer("302 Found", Location="http://portal.test/"), Cause.CAPTIVE_PORTAL, None, False, "302"),
    (answer("307 Temporary Redirect", Location="/login"), Cause.CAPTIVE_PORTAL, None, False, "307"),
    (answer("511 Network Authentication Required"), Cause.CAPTIVE_PORTAL, None, False, "511"),
    (answer("200 OK", b"<html>", Content_Type="text/html"), Cause.CAPTIVE_PORTAL, None, False, "200"),
    (answer("200 OK", b"\n <!DOCTYPE html>"), Cause.CAPTIVE_PORTAL, None, False, "200"),
    # By a proxy.
    (answer("407 Proxy Authentication Required"), Cause.PROXY_REFUSED, None, False, "407"),
    (answer("502 Bad Gateway", b"<html>"), Cause.PROXY_REFUSED, None, False, "502"),
    (answer("503 Unavailable", b"<html>", **BUSY), Cause.PROXY_REFUSED, LATER, False, "503"),
    (answer("504 Timeout", b'{"error": "x"}'), Cause.PROXY_REFUSED, None, False, "504"),
    (answer("429 Slow", **BUSY), Cause.PROXY_REFUSED, LATER, False, "429"),
    # By a server without WebSockets.
    (answer("200 OK", b"hello"), Cause.WEBSOCKET_REFUSED, None, False, "200"),
    (answer("400 Bad Request", b"<html>"), Cause.WEBSOCKET_REFUSED, None, False, "400"),
    (answer("403 Forbidden", b"[1]"), Cause.WEBSOCKET_REFUSED, None, False, "403"),
    (answer("404 Not Found"), Cause.WEBSOCKET_REFUSED, None, False, "404"),
    (answer("426 Upgrade Required"), Cause.WEBSOCKET_REFUSED, None, False, "426"),
    (answer("501 Not Implemented"), Cause.WEBSOCKET_REFUSED, None, False, "501"),
    (STRIPPED, Cause.WEBSOCKET_REFUSED, None, False, "101"),
    # Not HTTP.
    (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", Cause.NOT_OUR_SERVER, None, False, "HTTP"),
    (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", Cause.NOT_OUR_SERVER, None, False, ""),
    (b"", Cause.CONNECTION_RESET, None, False, ""),
]


@pytest.mark.parametrize(("response", "cause", "wait", "ours", "details"), REFUSALS)
async def test_refused_upgrades_have_their_causes_and_are_logged(response, cause, wait, ours, details, caplog):
    async with Responder(response) as server:
        with caplog.at_level(logging.INFO):
            error = await failure_of(server.port)
        assert (error.cause, error.wait, error.ours) == (cause, wait, ours)
        assert details in error.details
        if cause in (Cause.SERVER_BUSY, Cause.TOKEN_REJECTED, Cause.REFUSED, Cause.BAD_ANSWER):
            assert error.details.endswith(": No. Do this."), "what our server says is passed on"
        assert server.connections == 1  # a redirect is not followed
    assert error.details in caplog.text
    assert "Traceback" not in caplog.text


async def test_redirect_is_not_followed():
    async with Responder(b"") as server:
        server._answer = answer("302 Found", Location=f"ws://127.0.0.1:{server.port}/again")
        assert (await failure_of(server.port)).cause is Cause.CAPTIVE_PORTAL
        assert server.connections == 1


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_refusing_proxy_is_named(scheme):
    for refuses, credentials, says in (("", "a:b", "407"), ("403 Forbidden", "", "403"), ("502 Bad", "", "502")):
        async with HttpProxy(credentials, refuses) as proxy:
            with pytest.raises(AttemptError) as caught:
                await open_wire(f"{scheme}://server.test/", {}, None, f"http://user:secret@127.0.0.1:{proxy.port}")
        error = caught.value
        assert error.cause is Cause.PROXY_REFUSED
        assert says in error.details
        assert f"http://127.0.0.1:{proxy.port}" in error.details
        assert "secret" not in f"{error.details} {error}"


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_peer_that_is_not_a_proxy_is_named_as_the_cause(scheme):
    async def speaks_otherwise(reader, writer):
        await reader.read(3)
        writer.write(b"nonsense\r\n\r\n")
        await writer.drain()

    async with Listener(speaks_otherwise) as nothing:
        error = await failure_of(1, f"{scheme}://127.0.0.1:{nothing.port}")
        assert error.cause is Cause.PROXY_REFUSED
        assert f"{scheme}://127.0.0.1:{nothing.port}" in error.details


async def test_unreachable_proxy_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for scheme in ("http", "socks5"):
            error = await failure_of(1, f"{scheme}://{address}")
            assert error.cause is Cause.PROXY_REFUSED
            assert f"{scheme}://{address}" in error.details


async def test_refusal_of_a_socks_proxy_is_reported():
    async with SocksProxy(reply=2) as proxy:
        error = await failure_of(80, f"socks5://127.0.0.1:{proxy.port}", "server.test")
        assert proxy.requests == ["server.test:80"]
    assert error.cause is Cause.PROXY_REFUSED
    assert "not allowed" in error.details


async def test_invalid_host_name_is_a_failed_name_lookup():
    assert (await failure_of(80, "", "a..b")).cause is Cause.NAME_LOOKUP_FAILED
    assert (await failure_of(80, "", "x" * 70)).cause is Cause.NAME_LOOKUP_FAILED


async def echo(connection):
    async for message in connection:
        await connection.send(message)


def names(monkeypatch, addresses):
    """Make `server.test` resolve to these addresses."""
    real = socket.getaddrinfo

    def found(host, port, *args, **kwargs):
        if host != "server.test":
            return real(host, port, *args, **kwargs)
        made = []
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            place = (address, port, 0, 0) if ":" in address else (address, port)
            made.append((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place))
        return made

    monkeypatch.setattr(socket, "getaddrinfo", found)


class UvLoop(uvloop.Loop):
    """Make uvloop resolve names by `socket`, which tests can patch."""

    async def getaddrinfo(self, host, port, **more):
        return socket.getaddrinfo(host, port, **more)


LOOPS = [asyncio.new_event_loop, UvLoop]


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("dead", [["::1"], ["127.0.0.2"], ["127.0.0.2", "127.0.0.3"]])
def test_each_dead_address_costs_a_quarter_of_a_second(monkeypatch, loop, dead):
    async def main():
        async with serve(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            names(monkeypatch, [*dead, "127.0.0.1"])
            with contextlib.ExitStack() as stack:
                for address in dead:
                    stack.enter_context(dead_port(address, port))
                begin = time.monotonic()
                wire = await open_wire(f"ws://server.test:{port}/", {}, None, "")
                took = time.monotonic() - begin
                await wire.send("hello")
                assert await wire.receive() == b"hello"
                await wire.close(1000)
            assert 0.2 * len(dead) < took < 0.25 * len(dead) + 1.0

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(main(), 20))


@pytest.mark.parametrize("loop", LOOPS)
def test_refusing_address_costs_no_time(monkeypatch, loop):
    async def main():
        async with serve(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            names(monkeypatch, ["::1", "127.0.0.2", "127.0.0.1"])
            begin = time.monotonic()
            wire = await open_wire(f"ws://server.test:{port}/", {}, None, "")
            assert time.monotonic() - begin < 0.25
            await wire.close(1000)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(main(), 20))


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS)
def test_cancelled_attempt_leaves_no_task(monkeypatch, loop):
    async def main():
        with dead_port("127.0.0.2") as port, dead_port("127.0.0.3", port):
            names(monkeypatch, ["127.0.0.2", "127.0.0.3"])
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.6):
                    await open_wire(f"ws://server.test:{port}/", {}, None, "")
            for _ in range(3):  # asyncio does not wait for its cancelled attempts
                await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("addresses", [["127.0.0.2"], ["::1", "127.0.0.1"]])
def test_refusal_by_all_addresses_is_a_refused_connection(monkeypatch, loop, addresses):
    async def main():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            names(monkeypatch, addresses)
            error = await failure_of(taken.getsockname()[1], "", "server.test")
            assert error.cause is Cause.CONNECTION_REFUSED

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


async def test_connection_that_ends_before_the_response_counts_as_reset():
    async def hangs_up(reader, writer):
        await reader.readline()

    async with Listener(hangs_up) as server:
        assert (await failure_of(server.port)).cause is Cause.CONNECTION_RESET
