"""The server as a process: signals, its second address, its log (docs/operating.md)."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import httpx2
import pytest

from between import Authority
from harness import CONNECTED, Ears
from servers.prepared import PreparedServer, run
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals")


async def get(url: str, **more: Any) -> httpx2.Response:
    async with httpx2.AsyncClient() as http:
        return await http.get(url, **more)


def replace_certificate(authority: Authority, folder: Path, days: int) -> None:
    """Write a new certificate, with its key, to the file that the server uses."""
    authority.server_context("localhost", end=days)
    shutil.copy(folder / f"localhost-1{days}.pem", folder / "server.pem")


async def serial(port: int, authority: Authority) -> int:
    """Return the serial number of the certificate that a new connection is shown."""
    _, writer = await asyncio.open_connection("localhost", port, ssl=authority.client_context())
    found = writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]
    writer.close()
    return int(found, 16)


class ServerWithFiles(PreparedServer):
    """A server with a certificate and a file of settings, which a test replaces."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        replace_certificate(self.authority, folder, 30)
        self.config, self.certificate = folder / "tailwire.toml", folder / "server.pem"
        self.config.write_text('log_level = "info"\n')
        file = str(self.certificate)
        super().__init__(
            folder, None, "--demo-users", "--host", "localhost", "--tls-cert", file, "--tls-key", file,
            "--config", str(self.config),
        )  # fmt: skip

    async def serial(self) -> int:
        return await serial(self.port, self.authority)


async def test_sighup_reloads_certificate_and_log_level_without_closing_sockets(tmp_path):
    async with ServerWithFiles(tmp_path) as server:
        builder = AppSettingsBuilder().override_client_host(f"https://localhost:{server.port}")
        settings = builder.certificate_authority(str(server.authority.file)).build()
        ears = Ears()
        async with ChatClient(server.app_id, settings, session_store=MemorySessionStore()) as chat:
            chat.add_connection_listener("ears", ears)
            await chat.login("alice", auth_key=server.auth_key)
            await chat.wait_connected(30)
            before = await server.serial()
            assert await server.serial() == before
            replace_certificate(server.authority, tmp_path, 60)
            server.config.write_text('log_level = "debug"\nmax_name = 50\n')
            os.kill(server.pid, signal.SIGHUP)
            await server.until_logged("new connections use it")
            assert await server.serial() != before
            await server.until_logged("log_level=debug")
            assert "max_name" in await server.until_logged("restart the server to apply")
            await chat.ping()
            assert chat.get_connection_status() is CONNECTED
            assert ears.statuses.count(CONNECTED) == 1
        assert await server.stop() == 0


async def test_sighup_with_an_invalid_certificate_and_settings_changes_nothing(tmp_path):
    async with ServerWithFiles(tmp_path) as server:
        before = await server.serial()
        server.certificate.write_text("not a certificate")
        server.config.write_text("log_level = 5\n")
        os.kill(server.pid, signal.SIGHUP)
        assert str(server.certificate) in await server.until_logged("the certificate was not replaced")
        assert "log_level" in await server.until_logged("the settings were not read again")
        assert await server.serial() == before
        assert await server.stop() == 0


def _take_the_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a test before may have left it ignored, which is inherited


class InTerminal:
    """A server in a terminal of its own."""

    def __init__(self, data: Path) -> None:
        self.terminal, inside = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tailwire", "serve", "--data", str(data), "--port", "0"],
            stdin=inside, stdout=inside, stderr=inside, start_new_session=True,
            preexec_fn=_take_the_terminal,
        )  # fmt: skip
        os.close(inside)

    async def ended(self) -> int:
        """Close the terminal, and return the exit code of the server."""
        os.close(self.terminal)
        try:
            return await asyncio.to_thread(self.process.wait, 20)
        finally:
            self.process.kill()


async def test_server_stops_when_its_terminal_is_closed(tmp_path):
    server = InTerminal(tmp_path)
    output = b""
    while b"auth key" not in output:
        output += await asyncio.to_thread(os.read, server.terminal, 4096)
    assert await server.ended() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_server_stops_when_its_terminal_is_closed_while_it_starts(tmp_path):
    server = InTerminal(tmp_path)
    ignored, status = 0, Path(f"/proc/{server.process.pid}/status")
    while not ignored & 1 << (signal.SIGHUP - 1):  # ignored until its handler is there
        ignored = int(status.read_text().partition("SigIgn:")[2].split()[0], 16)
        assert server.process.poll() is None
    assert await server.ended() == 0


async def test_sigusr1_logs_the_state(tmp_path):
    server = PreparedServer(tmp_path)
    async with server:
        os.kill(server.pid, signal.SIGUSR1)
        state = await server.until_logged(" state ")
        assert "sockets=0" in state
        assert "users_online=0" in state
        assert (await get(f"{server.url}/health")).status_code == 200


async def test_sigquit_stops_the_server(tmp_path):
    server = PreparedServer(tmp_path)
    async with server:
        assert await server._end(signal.SIGQUIT) == 0
        assert "stopped" in server.log[-1]


async def test_metrics_have_an_address_of_their_own(tmp_path):
    server = PreparedServer(
        tmp_path, {"TAILWIRE_METRICS_LISTEN": "127.0.0.1:0", "TAILWIRE_ALLOWED_HOSTS": "chat.example"}
    )
    async with server:
        internal = json.loads((tmp_path / "ready.json").read_text())["metrics_url"]
        assert internal in await server.until_logged("metrics and health")
        assert "tailwire_sockets 0.0" in (await get(f"{internal}/metrics")).text
        assert (await get(f"{server.url}/metrics", headers={"host": "chat.example"})).status_code == 404
        for path in ("/health", "/health/live", "/health/ready"):
            assert (await get(internal + path)).status_code == 200
            assert (await get(server.url + path)).status_code == 200
        assert (await get(f"{internal}/settings")).status_code == 404
        assert await server.stop() == 0


async def test_server_that_drains_is_not_ready_and_still_serves(tmp_path):
    server = PreparedServer(tmp_path, {"TAILWIRE_DRAIN_SECONDS": "600"})
    async with server:
        os.kill(server.pid, signal.SIGTERM)
        await server.until_logged("stopping in 600 s")
        assert (await get(f"{server.url}/health/ready")).status_code == 503
        assert (await get(f"{server.url}/health/live")).status_code == 200
        assert (await get(f"{server.url}/settings")).status_code == 200
        assert await server.stop() == 0  # the second signal


async def test_json_log_has_one_object_per_line(tmp_path):
    server = PreparedServer(
        tmp_path, {"TAILWIRE_LOG_FORMAT": "json", "TAILWIRE_ACCESS_LOG": "true", "TAILWIRE_NO_SUCH": "1"}
    )
    async with server:
        answer = await get(f"{server.url}/v3/health", headers={"x-request-id": "mine"})
        assert answer.headers["x-request-id"] == "mine"
        await server.until_logged('"request_id":"mine"')
        assert await server.stop() == 0
    lines = [json.loads(line) for line in server.log]
    assert all({"time", "level", "message"} <= set(line) for line in lines)
    (request,) = [line for line in lines if line.get("request_id") == "mine"]
    assert (request["message"], request["status"], request["path"]) == ("request", 200, "/v3/health")
    assert any("TAILWIRE_NO_SUCH" in line["message"] for line in lines)
    assert lines[-1]["message"] == "stopped"


async def test_commands_have_entries_in_the_audit_log(tmp_path):
    server = PreparedServer(tmp_path)
    async with server:
        for words in (
            ("user", "create", "dora", "Dora"),
            ("token", "create", "dora"),
            ("user", "export", "dora"),
            ("keys",),
        ):
            assert (await run(*words, "--data", str(server.data)))[0] == 0
        answer = await get(f"{server.url}/audit?actor=command line", headers={"apikey": server.api_key})
        found = [(entry["action"], entry.get("target")) for entry in reversed(answer.json()["data"])]
        assert found == [
            ("tailwire user create", "dora"),
            ("tailwire token create", "dora"),
            ("tailwire user export", "dora"),
            ("tailwire keys", None),
        ]


async def test_taken_address_for_metrics_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = PreparedServer(tmp_path, {"TAILWIRE_METRICS_LISTEN": address})
        with pytest.raises(RuntimeError, match=f"cannot listen on {address}.*--metrics-listen"):
            await server.start()
        await server.kill()


def test_certificate_of_the_test_is_replaced(tmp_path):
    authority = Authority(tmp_path)
    replace_certificate(authority, tmp_path, 30)
    first = (tmp_path / "server.pem").read_bytes()
    replace_certificate(authority, tmp_path, 60)
    assert (tmp_path / "server.pem").read_bytes() != first
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "server.pem")
