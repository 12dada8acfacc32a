"""The real client and server through proxies and TLS, and the reported errors."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from between import Authority, HttpProxy, Listener, SocksProxy, TlsFront, head_of, pipe
from tailwire import AppSettingsBuilder, ChatClient, CometChatException, MemorySessionStore, TextMessage
from tailwire.admin import Admin
from tailwire.cli.main import main
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.io.tls import default_context
from tailwire.sdk.io.world import Timer, World
from tailwire.testing.embedded import EmbeddedServer

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[EmbeddedServer]:
    """Yield a server with two users, for all tests of this module."""
    server = EmbeddedServer(tmp_path_factory.mktemp("server"))
    server.start()
    for uid in ("alice", "bob"):
        server.add_user(uid)
    yield server
    server.close()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """Remove proxies from the environment, unless the test sets one."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def client_of(
    server, builder=None, *, port: int = 0, ws_port: int = 0, tls: ssl.SSLContext | None = None
) -> ChatClient:
    """Return a client that has not started; with a port, over TLS to `localhost` at this port."""
    builder = builder or AppSettingsBuilder()
    builder.override_client_host(f"https://localhost:{port}" if port else server.url)
    if port:
        builder.set_web_socket_host("localhost").set_web_socket_port(ws_port or port)
    return ChatClient(server.app_id, builder.build(), session_store=MemorySessionStore(), tls=tls)


async def log_in_and_send(server, chat: ChatClient) -> None:
    """Log in, connect, and send a message."""
    await chat.login("alice", auth_key=server.auth_key)
    await chat.wait_connected(10)
    assert (await chat.send_message(TextMessage(receiver="bob", text="hello"))).id


async def chat_and_close(server, chat: ChatClient) -> None:
    async with chat:
        await log_in_and_send(server, chat)


def websockets_asked(proxy: HttpProxy) -> int:
    """Return how many WebSockets were requested through a proxy. They use CONNECT even without TLS."""
    return sum(request.startswith("CONNECT") for request in proxy.requests)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
async def test_environment_proxy_is_used(server, monkeypatch, variable):
    async with HttpProxy("us@er:p/w") as proxy:
        monkeypatch.setenv(variable, f"us%40er:p%2Fw@127.0.0.1:{proxy.port}/ignored")
        await chat_and_close(server, client_of(server))
        assert any(request.startswith("POST http://") for request in proxy.requests)
        assert websockets_asked(proxy) == 1


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
async def test_environment_proxy_for_https_is_used(server, tmp_path, monkeypatch, variable):
    authority = Authority(tmp_path)
    async with TlsFront(server.port, authority.server_context()) as front, HttpProxy("us@er:p/w") as proxy:
        monkeypatch.setenv(variable, f"http://us%40er:p%2Fw@127.0.0.1:{proxy.port}")
        await chat_and_close(server, client_of(server, port=front.port, tls=authority.client_context()))
        assert set(proxy.requests) == {f"CONNECT localhost:{front.port}"}
        assert len(proxy.requests) >= 2  # the requests, and the WebSocket
        assert front.connections <= proxy.connections


@pytest.mark.parametrize("variables", [{"HTTPS_PROXY": "p"}, {"ALL_PROXY": "p", "NO_PROXY": "127.0.0.0/8"}])
async def test_proxy_for_another_scheme_or_for_other_hosts_is_not_used(server, monkeypatch, variables):
    async with HttpProxy() as proxy:
        for name, value in variables.items():
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}" if value == "p" else value)
        await chat_and_close(server, client_of(server))
        assert proxy.connections == 0


async def test_proxy_of_the_app_settings_takes_precedence(server, monkeypatch):
    async with HttpProxy() as own, HttpProxy() as other:
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{other.port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        await chat_and_close(server, client_of(server, AppSettingsBuilder().proxy(f"http://user@127.0.0.1:{own.port}")))
        assert websockets_asked(own) == 1
        assert other.connections == 0


async def test_empty_proxy_in_the_app_settings_means_no_proxy(server, monkeypatch):
    async with HttpProxy() as other:
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{other.port}")
        await chat_and_close(server, client_of(server, AppSettingsBuilder().proxy("")))
        assert other.connections == 0


@pytest.mark.parametrize(("scheme", "user", "password"), [("socks5", "", ""), ("socks5h", "user", "p@ss")])
async def test_socks_proxy_is_used(server, scheme, user, password):
    async with SocksProxy(user, password) as proxy:
        credentials = f"{user}:p%40ss@" if user else ""
        address = f"{scheme}://{credentials}127.0.0.1:{proxy.port}"
        await chat_and_close(server, client_of(server, AppSettingsBuilder().proxy(address)))
        assert set(proxy.requests) == {server.url.removeprefix("http://")}
        assert proxy.connections >= 2


@pytest.mark.parametrize("kind", [HttpProxy, SocksProxy])
async def test_tls_passes_through_a_proxy(server, tmp_path, kind):
    authority = Authority(tmp_path)
    async with TlsFront(server.port, authority.server_context()) as front, kind() as proxy:
        scheme = "http" if kind is HttpProxy else "socks5"
        builder = AppSettingsBuilder().proxy(f"{scheme}://127.0.0.1:{proxy.port}")
        await chat_and_close(server, client_of(server, builder, port=front.port, tls=authority.client_context()))
        assert all(f"localhost:{front.port}" in request for request in proxy.requests)  # the proxy resolves names
        assert proxy.connections >= front.connections >= 2  # one attempt may have been abandoned at the end


@pytest.mark.parametrize("tls", [False, True])
async def test_proxy_refusal_is_reported(server, tls):
    async with HttpProxy("user:password") as proxy:
        address = f"http://user:wrong@127.0.0.1:{proxy.port}"
        async with client_of(server, AppSettingsBuilder().proxy(address), port=1 if tls else 0) as chat:
            with pytest.raises(CometChatException) as caught:
                await chat.login("alice", auth_key="key")
        assert caught.value.code == "NO_INTERNET_CONNECTION"
        assert caught.value.cause is Cause.PROXY_REFUSED
        assert "407" in caught.value.details
        assert f"http://127.0.0.1:{proxy.port}" in caught.value.details
        assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "says"),
    [("gopher://proxy:1", "'gopher' is unknown; use"), ("http://proxy:x", "cannot be read"), ("http://", "no host")],
)
async def test_invalid_proxy_fails_init(server, address, says):
    chat = client_of(server, AppSettingsBuilder().proxy(address))
    with pytest.raises(CometChatException, match=says) as caught:
        await chat.init()
    assert caught.value.code == "ERR_CHAT_API_FAILURE"


async def test_invalid_environment_proxy_does_not_fail_init(server, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "gopher://proxy:1")
    async with client_of(server) as chat:
        with pytest.raises(CometChatException, match=r"ALL_PROXY: .*'gopher' is unknown; use") as caught:
            await chat.login("alice", auth_key="key")
    assert (caught.value.code, caught.value.cause) == ("NO_INTERNET_CONNECTION", Cause.PROXY_REFUSED)


# Addresses and names.


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["[::1]", "six.test"])
async def test_server_is_reached_over_ipv6(server, monkeypatch, host):
    """By its address, and by a name that has no other address."""
    real_lookup = socket.getaddrinfo

    def resolve(name, port, *args, **more):
        return real_lookup("::1" if name in ("six.test", b"six.test") else name, port, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    async def forward(reader, writer):
        await pipe(reader, writer, "127.0.0.1", server.port)

    async with Listener(forward, host="::1") as six:
        builder = AppSettingsBuilder().override_client_host(f"http://{host}:{six.port}")
        chat = ChatClient(server.app_id, builder.build(), session_store=MemorySessionStore())
        await chat_and_close(server, chat)
        assert six.connections >= 2  # the requests, and the WebSocket


class QuickWorld(World):
    """The real world, with a clock that runs five times as fast."""

    def now(self) -> float:
        return super().now() * 5

    def timer(self, seconds: float, ring: Callable[[], None]) -> Timer:
        return super().timer(seconds / 5, ring)


async def test_hanging_name_lookup_delays_only_its_own_calls(server, monkeypatch):
    """A login ends at its deadline, `aclose()` does not wait, and the same client logs in when names are found again."""
    real_lookup, found = socket.getaddrinfo, threading.Event()

    def resolve(name, port, *args, **more):
        if name in ("hangs.test", b"hangs.test"):
            found.wait(60)
            name = "127.0.0.1"
        return real_lookup(name, port, *args, **more)

    def client() -> ChatClient:
        return ChatClient(server.app_id, settings, session_store=MemorySessionStore(), world=QuickWorld())

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    settings = AppSettingsBuilder().override_client_host(f"http://hangs.test:{server.port}").build()
    try:
        async with client() as chat, client() as closed:
            begin = time.monotonic()
            waiting = asyncio.create_task(closed.login("bob", auth_key=server.auth_key))
            await asyncio.sleep(0.1)
            await closed.aclose()
            assert not waiting.done()
            for call in (waiting, chat.login("alice", auth_key=server.auth_key)):
                with pytest.raises(CometChatException) as caught:
                    await call
                assert (caught.value.code, caught.value.cause) == ("NO_INTERNET_CONNECTION", Cause.ATTEMPT_TIMEOUT)
            assert 2.5 < time.monotonic() - begin < 40  # 15 s of its clock each; the name is found after 60 s
            found.set()
            await log_in_and_send(server, chat)
    finally:
        found.set()


# Intermediaries without support for WebSockets.


async def test_proxy_that_removes_the_upgrade_is_reported(server, caplog):
    """The server receives a plain request, and the app is notified that WebSockets are refused."""

    async def strips(reader, writer):
        (method, target, version), headers = await head_of(reader)
        kept = {name: value for name, value in headers.items() if name not in ("upgrade", "connection")}
        lines = [f"{method} {target} {version}", *(f"{name}: {value}" for name, value in kept.items())]
        await pipe(reader, writer, "127.0.0.1", server.port, ("\r\n".join(lines) + "\r\n\r\n").encode())

    builder = AppSettingsBuilder().auto_establish_socket_connection(False)
    async with Listener(strips) as between:
        builder.set_web_socket_host("127.0.0.1").set_web_socket_port(between.port)
        async with client_of(server, builder) as chat:
            await chat.login("alice", auth_key=server.auth_key)
            with pytest.raises(CometChatException):
                await chat.connect()
            assert "a proxy refuses WebSockets" in chat.connection.explain()
    assert "Traceback" not in caplog.text


# Certificates.


@pytest.fixture
def certificates(tmp_path):
    """Return server contexts by their fault, and the context of a client that trusts their authority."""
    authority = Authority(tmp_path)
    (tmp_path / "other").mkdir()
    servers = {
        Cause.CERTIFICATE_EXPIRED: authority.server_context(begin=-30, end=-1),
        Cause.CERTIFICATE_WRONG_HOST: authority.server_context("other.test"),
        Cause.CERTIFICATE_UNKNOWN_ISSUER: Authority(tmp_path / "other").server_context(),
    }
    return servers, authority


CERTIFICATES = {
    Cause.CERTIFICATE_EXPIRED: "The server's certificate has expired",
    Cause.CERTIFICATE_WRONG_HOST: "The server's certificate is for another host name",
    Cause.CERTIFICATE_UNKNOWN_ISSUER: "The server's certificate was issued by an authority that is not trusted here",
}


@pytest.mark.parametrize("cause", CERTIFICATES)
async def test_certificate_errors_are_reported_by_calls(server, certificates, cause):
    servers, authority = certificates
    async with TlsFront(server.port, servers[cause]) as front:
        async with client_of(server, port=front.port, tls=authority.client_context()) as chat:
            with pytest.raises(CometChatException) as caught:
                await chat.login("alice", auth_key=server.auth_key)
        assert caught.value.cause is cause
        assert caught.value.message.startswith(CERTIFICATES[cause])


@pytest.mark.parametrize("cause", CERTIFICATES)
async def test_certificate_errors_are_reported_for_the_connection(server, certificates, cause):
    """HTTP has a valid certificate, and the separate address of the WebSocket has an invalid one."""
    servers, authority = certificates
    good = authority.server_context()
    async with TlsFront(server.port, good) as front, TlsFront(server.port, servers[cause]) as bad:
        builder = AppSettingsBuilder().auto_establish_socket_connection(False)
        tls = authority.client_context()
        async with client_of(server, builder, port=front.port, ws_port=bad.port, tls=tls) as chat:
            await chat.login("alice", auth_key=server.auth_key)
            with pytest.raises(CometChatException):
                await chat.connect()
            words = CERTIFICATES[cause]
            assert f"{words[0].lower()}{words[1:]}" in chat.connection.explain()


@pytest.mark.parametrize("cause", CERTIFICATES)
async def test_certificate_errors_are_reported_by_doctor(server, certificates, cause, capsys):
    servers, authority = certificates
    async with TlsFront(server.port, servers[cause]) as front:
        url = f"https://localhost:{front.port}"
        assert await asyncio.to_thread(main, ["doctor", url, "--ca", str(authority.file)]) == 1
    words = CERTIFICATES[cause]
    assert f"settings: {words[0].lower()}{words[1:]}" in capsys.readouterr().out


@pytest.mark.parametrize("cause", CERTIFICATES)
async def test_certificate_errors_are_reported_to_backends(server, certificates, cause):
    servers, authority = certificates
    async with TlsFront(server.port, servers[cause]) as front:
        url = f"https://localhost:{front.port}"
        settings = AppSettingsBuilder().override_client_host(url).certificate_authority(authority.file).build()
        async with Admin(server.app_id, settings, server.api_key) as admin:
            with pytest.raises(CometChatException) as caught:
                await admin.users.get("alice")
    assert caught.value.cause is cause
    assert caught.value.message.startswith(CERTIFICATES[cause])


# `tailwire doctor` behind a proxy.


async def test_doctor_uses_the_proxy_of_the_environment(server, monkeypatch, capsys):
    async with HttpProxy() as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert await asyncio.to_thread(main, ["doctor", server.url]) == 0
        assert websockets_asked(proxy) == 1
    output = capsys.readouterr().out
    assert f"through the proxy http://127.0.0.1:{proxy.port}" in output
    assert output.count("ok ") == 4


async def test_doctor_reports_a_proxy_that_cannot_be_used(server, monkeypatch, capsys):
    monkeypatch.setenv("ALL_PROXY", "gopher://proxy:1")
    assert await asyncio.to_thread(main, ["doctor", server.url]) == 1
    assert "ALL_PROXY: the proxy's scheme 'gopher' is unknown" in capsys.readouterr().out


# TLS sessions.


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_reconnect_resumes_the_tls_session(server, tmp_path, version):
    authority = Authority(tmp_path)
    served = authority.server_context()
    served.maximum_version = version
    tls = authority.client_context()
    async with TlsFront(server.port, served) as front, client_of(server, port=front.port, tls=tls) as chat:
        await log_in_and_send(server, chat)
        before = len(front.resumed)
        for _ in range(2):
            await chat.disconnect()
            await chat.connect()
        after = front.resumed[before:]  # a request may have opened another connection
        assert len(after) >= 2
        assert all(after)


@pytest.fixture
def trusted(tmp_path, monkeypatch) -> Iterator[Authority]:
    """Return a certificate authority that is set in the environment."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    default_context.cache_clear()
    yield authority
    default_context.cache_clear()


async def test_environment_certificate_authority_is_trusted(server, trusted):
    async with TlsFront(server.port, trusted.server_context()) as front:
        await chat_and_close(server, client_of(server, port=front.port))
        assert front.connections >= 2


@pytest.mark.parametrize("tls", [False, True])
async def test_https_proxy_is_used(server, trusted, tls):
    context = trusted.server_context()
    async with TlsFront(server.port, context) as front, HttpProxy("u:p", tls=context) as proxy:
        builder = AppSettingsBuilder().proxy(f"https://u:p@localhost:{proxy.port}")
        await chat_and_close(server, client_of(server, builder, port=front.port if tls else 0))
        assert proxy.connections >= 2
        assert bool(front.connections) is tls
