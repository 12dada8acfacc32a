"""TLS sessions are resumed by HTTP and WebSockets, and not shared between contexts."""

from __future__ import annotations

import asyncio
import gc
import ssl
import warnings

import httpx2
import pytest
import uvloop
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from between import Authority, Responder, answer
from sizes import size
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore
from tailwire.sdk.io import tls
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.tls import default_context, with_resumption
from tailwire.sdk.io.world import Identity, World

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class _Server(Responder):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(answer("204 No Content", Connection="close"), context)
        self.resumed: list[bool] = []

    async def _handle(self, reader, writer):
        self.resumed.append(writer.get_extra_info("ssl_object").session_reused)
        await super()._handle(reader, writer)


async def _get(context: ssl.SSLContext, port: int, host: str = "localhost") -> None:
    async with httpx2.AsyncClient(verify=context, trust_env=False) as client:
        await client.get(f"https://{host}:{port}/")


@pytest.mark.parametrize("version", VERSIONS)
async def test_http_resumes_sessions(tmp_path, version):
    authority = Authority(tmp_path)
    context = with_resumption(authority.client_context())
    context.maximum_version = version
    async with _Server(authority.server_context()) as server:
        for _ in range(3):
            await _get(context, server.port)
        assert server.resumed == [False, True, True]


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("version", VERSIONS)
def test_websocket_resumes_sessions(tmp_path, version, loop):
    authority = Authority(tmp_path)
    context = with_resumption(authority.client_context())
    context.maximum_version = version
    resumed = []

    async def echo(socket):
        async for message in socket:
            await socket.send(message)

    async def main():
        async with serve(echo, "127.0.0.1", 0, ssl=authority.server_context()) as server:
            port = server.sockets[0].getsockname()[1]
            for _ in range(3):
                async with connect(f"wss://localhost:{port}/", ssl=context, proxy=None) as socket:
                    await socket.send("x")
                    assert await socket.recv() == "x"
                    resumed.append(socket.transport.get_extra_info("ssl_object").session_reused)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
    assert resumed == [False, True, True]


async def test_contexts_do_not_share_sessions(tmp_path):
    authority = Authority(tmp_path)
    contexts = [with_resumption(authority.client_context()) for _ in range(2)]
    async with _Server(authority.server_context()) as server:
        for context in contexts:
            await _get(context, server.port)
        assert server.resumed == [False, False]


async def test_unverified_session_is_not_resumed_by_a_verifying_context(tmp_path):
    """A session carries no certificate, so an unverified one must not replace a verification."""
    authority = Authority(tmp_path)
    (tmp_path / "other").mkdir()
    context = with_resumption(Authority(tmp_path / "other").client_context())
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with _Server(authority.server_context()) as server:
        await _get(context, server.port)
        context.verify_mode, context.check_hostname = ssl.CERT_REQUIRED, True
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await _get(context, server.port)


async def test_hosts_do_not_share_sessions(tmp_path):
    authority = Authority(tmp_path)
    context = with_resumption(authority.client_context())
    async with _Server(authority.server_context()) as server:
        await _get(context, server.port)
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await _get(context, server.port, "127.0.0.1")  # the certificate is for localhost


async def test_sessions_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(tls, "MAX_SESSIONS", 2)
    context = with_resumption(Authority(tmp_path).client_context())
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with _Server(Authority(tmp_path).server_context()) as server:
        for name in ("one.test", "two.test", "three.test", "three.test", "one.test"):
            stream = await asyncio.open_connection("127.0.0.1", server.port, ssl=context, server_hostname=name)
            stream[1].write(b"GET / HTTP/1.1\r\n\r\n")
            await stream[0].read()
            stream[1].close()
        assert server.resumed == [False, False, False, True, False]
    assert len(context.sslobject_class.sessions) == 2


@pytest.mark.parametrize("version", VERSIONS)
async def test_concurrent_connections_all_resume(tmp_path, version):
    authority = Authority(tmp_path)
    context = with_resumption(authority.client_context())
    context.maximum_version = version
    async with _Server(authority.server_context()) as server:
        await _get(context, server.port)
        streams = [await asyncio.open_connection("localhost", server.port, ssl=context) for _ in range(6)]  # none reads
        assert all(writer.get_extra_info("ssl_object").session_reused for _, writer in streams)
        for _, writer in streams:
            writer.close()
    assert sum(map(len, context.sslobject_class.sessions.values())) <= tls.MAX_SESSIONS_PER_HOST


async def test_server_that_does_not_know_the_tls_session_is_reached(tmp_path):
    authority = Authority(tmp_path)
    context = with_resumption(authority.client_context())
    for _ in range(2):  # the second has other keys for its tickets
        async with _Server(authority.server_context()) as server:
            await _get(context, server.port)
            assert server.resumed == [False]


def test_custom_connection_class_is_not_replaced():
    class Own(ssl.SSLObject):
        pass

    context = ssl.create_default_context()
    context.sslobject_class = Own
    assert with_resumption(context).sslobject_class is Own


def test_ssl_cert_file_is_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path).file))
    default_context.cache_clear()
    try:
        (known,) = default_context().get_ca_certs()
        assert known["subject"][0][0][1] == f"authority of {tmp_path.name}"
    finally:
        default_context.cache_clear()


def test_unverifying_context_is_logged(caplog, tmp_path):
    settings = AppSettingsBuilder().override_client_host("https://localhost:1").build()

    def warned(context: ssl.SSLContext | None) -> list[str]:
        caplog.clear()
        ChatClient("app", settings, session_store=MemorySessionStore(), tls=context)
        return [record.message for record in caplog.records if record.levelname == "WARNING"]

    context = Authority(tmp_path).client_context()
    assert warned(None) == warned(context) == []
    context.check_hostname = False
    assert "host name" in warned(context)[0]
    context.verify_mode = ssl.CERT_NONE
    (line,) = warned(context)
    assert "CERT_NONE" in line
    assert "cafile" in line


@pytest.mark.slow
@pytest.mark.thorough
async def test_cancelled_request_leaves_no_connection(tmp_path):
    authority = Authority(tmp_path)
    context = authority.client_context()
    answers = answer("200 OK", b'{"data": 1}', Content_Type="application/json")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        gc.collect()
        found.clear()
        async with Responder(answers, authority.server_context()) as server:
            for steps in range(0, 120, size(6, 2)):
                world = World()
                http = Http(world, f"https://localhost:{server.port}", Identity("app", "test"), context)
                task = asyncio.create_task(http.ask("GET", "/x"))
                for _ in range(steps):
                    await asyncio.sleep(0.0002 if steps % 4 else 0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await http.close()
            await asyncio.sleep(0)
        gc.collect()
    assert [str(one.message) for one in found] == []
