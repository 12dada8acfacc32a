"""The commands, run as processes: each kind once as users start it, and else as a fork of a prepared process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from harness import CONNECTED, LiveStage
from servers.prepared import PreparedServer, run
from tailwire import AppSettingsBuilder, ChatClient, CometChatException, MemorySessionStore
from tailwire.testing.server import ServerProcess, read_ready_file


async def run_new(*arguments: str) -> tuple[int, str]:
    """Run a command in a new process of Python, as users do. Return its exit code and its output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tailwire.cli.main",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


@pytest.mark.slow
@pytest.mark.timeout(100)
async def test_demo_ends_and_loses_nothing():
    code, output = await run_new("demo")
    assert code == 0, output
    assert "lost 0, duplicated 0" in output


async def test_commands_manage_users_tokens_and_keys_of_a_running_server(live: LiveStage):
    data = str(live.folder / "data")
    assert await run_new("user", "create", "dave", "Dave", "--data", data) == (0, "created user dave\n")
    code, output = await run("user", "create", "dave", "Dave", "--data", data)
    assert (code, "ERR_UID_ALREADY_EXISTS" in output) == (1, True)
    code, token = await run("token", "create", "dave", "--data", data)
    assert code == 0
    code, keys = await run("keys", "--data", data)
    assert code == 0
    settings = AppSettingsBuilder().override_client_host(live.server.url).build()
    async with ChatClient(live.server.app_id, settings, session_store=MemorySessionStore()) as chat:
        assert (await chat.login_with_auth_token(token.strip())).uid == "dave"
        auth_key = keys.splitlines()[1].split()[-1]
        assert (await chat.login("dave", auth_key=auth_key)).uid == "dave"


async def test_commands_find_the_server_by_the_file_of_its_settings(tmp_path):
    config = tmp_path / "tailwire.toml"
    database = tmp_path / "data" / "elsewhere.db"
    config.write_text(f'data = "{tmp_path / "data"}"\ndatabase = "sqlite:///{database}"\nmax_name = 4\n')
    async with PreparedServer(tmp_path, None, "--config", str(config)):
        option = ("--config", str(config))
        assert await run("user", "create", "dave", "Dave", *option) == (0, "created user dave\n")
        code, output = await run("user", "create", "david", "David", *option)
        assert (code, "ERR_BAD_REQUEST" in output) == (1, True), output
        assert (await run("token", "create", "dave", *option))[0] == 0
        code, output = await run("user", "export", "dave", *option)
        assert (code, '"Dave"' in output) == (0, True), output
        code, output = await run("keys", "--list", *option)
        assert (code, len(output.splitlines())) == (0, 3), output
        code, output = await run("console", *option)
        assert (code, "/console/#" in output) == (0, True), output
    code, output = await run("user", "create", "erin", "Erin", "--config", str(tmp_path / "none.toml"))
    assert (code, "none.toml" in output) == (2, True), output


async def test_token_command_revokes_no_tokens_and_refuses_beyond_the_limit(live: LiveStage):
    data, config = str(live.folder / "data"), live.folder / "tailwire.toml"
    config.write_text("max_tokens = 3\n")
    alice = await live.enter("alice")
    assert (await run("token", "create", "alice", "--data", data, TAILWIRE_MAX_TOKENS="2"))[0] == 0
    code, output = await run("token", "create", "Alice", "--data", data, TAILWIRE_MAX_TOKENS="2")
    assert (code, output.startswith("tailwire: alice has 2 auth tokens, and max_tokens permits 2:")) == (1, True), (
        output
    )
    code, token = await run("token", "create", "alice", "--data", data, "--config", str(config))
    assert code == 0, token
    code, output = await run("token", "create", "alice", "--data", data, "--config", str(config))
    assert (code, "max_tokens permits 3" in output) == (1, True), output
    assert await alice.chat.ping() == "ping successful"
    with contextlib.closing(sqlite3.connect(live.folder / "data" / "tailwire.db")) as c:
        assert c.execute("SELECT count(*) FROM auth_tokens WHERE uid = 'alice'").fetchone() == (3,)


def audit_entries(file: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(file)) as c:
        return [row[0] for row in c.execute("SELECT action FROM audit ORDER BY id")]


async def test_commands_remove_no_entries_of_the_audit_log(tmp_path):
    file, data = tmp_path / "data" / "tailwire.db", str(tmp_path / "data")
    async with PreparedServer(tmp_path) as server:
        await server.stop()
    assert (await run("user", "create", "dave", "Dave", "--data", data))[0] == 0
    with contextlib.closing(sqlite3.connect(file)) as c:
        c.execute("UPDATE audit SET at = at - 3 * 365 * 86400")
        c.commit()
    before = audit_entries(file)
    variables = {"TAILWIRE_AUDIT_KEPT_FOR": "60", "TAILWIRE_MAX_AUDIT_ENTRIES": "1"}
    assert (await run("user", "create", "erin", "Erin", "--data", data, **variables))[0] == 0
    assert audit_entries(file) == [*before, "tailwire user create"]
    config = tmp_path / "tailwire.toml"
    config.write_text("audit_kept_for = 0\n")
    assert (await run("user", "create", "frank", "Frank", "--data", data, "--config", str(config)))[0] == 0
    assert audit_entries(file) == [*before, "tailwire user create"]


async def test_keys_survive_a_restart_until_replaced(tmp_path):
    server = ServerProcess(tmp_path)
    async with server:
        first = read_ready_file(tmp_path / "ready.json")
    assert first["auth_key"] not in "\n".join(server.log)
    async with server:
        assert read_ready_file(tmp_path / "ready.json") | {"pid": 0} == first | {"pid": 0}
        data = str(tmp_path / "data")
        code, output = await run("keys", "--data", data)
        assert (code, "The 2 existing keys stay valid" in output) == (0, True)
        code, output = await run("keys", "--replace", "--data", data)
        assert (code, "The 4 previous keys are revoked" in output) == (0, True)
        code, output = await run("doctor", server.url, "--app-id", server.app_id, "--auth-key", first["auth_key"])
        assert (code, "AUTH_ERR_APIKEY_NOT_FOUND" in output) == (1, True), output
    async with server:
        again = read_ready_file(tmp_path / "ready.json")
        assert again["auth_key"] not in ("", first["auth_key"])


async def test_keys_are_listed_with_their_scope_and_last_use_and_not_shown(live: LiveStage):
    code, output = await run("keys", "--list", "--data", str(live.folder / "data"))
    assert (code, len(output.splitlines())) == (0, 3), output
    assert live.server.auth_key not in output
    # Keys of the same second are in the order of their hashes.
    assert sorted(line.split()[-2:] for line in output.splitlines()[1:]) == [["API", "Key"], ["Auth", "Key"]]
    assert " never " in output  # the REST API key
    assert output.count(" it is revoked ") == 2


async def test_replaced_keys_are_valid_during_the_grace_period(live: LiveStage):
    data, old = str(live.folder / "data"), live.server.auth_key
    alice = await live.enter("alice")
    code, output = await run("keys", "--replace", "--grace", "1h", "--data", data)
    assert (code, "The 2 previous keys are valid until 20" in output) == (0, True), output
    assert "Users stay logged in" in output
    checked = ("doctor", live.server.url, "--app-id", live.server.app_id, "--auth-key", old)
    assert (await run(*checked))[0] == 0
    code, output = await run("keys", "--list", "--data", data)
    assert (code, len(output.splitlines()), output.count(" it is revoked ")) == (0, 5, 2), output
    code, output = await run("keys", "--replace", "--data", data)
    assert (code, "The 4 previous keys are revoked" in output) == (0, True), output
    assert (await run(*checked))[0] == 1
    code, output = await run("keys", "--list", "--data", data)
    assert len(output.splitlines()) == 3
    assert alice.ears.statuses.count(CONNECTED) == 1
    assert alice.status is CONNECTED


@pytest.mark.parametrize("options", [("--grace", "1h"), ("--list", "--replace")], ids=" ".join)
async def test_options_of_keys_that_do_not_belong_together_are_refused(tmp_path, options):
    assert (await run("keys", *options, "--data", str(tmp_path)))[0] == 2


async def test_doctor_succeeds_on_a_running_server_and_fails_without_one(live: LiveStage):
    code, output = await run_new("doctor", live.server.url)
    assert (code, output.count("ok ")) == (0, 4), output
    environment = ("--app-id", live.server.app_id, "--auth-key", live.server.auth_key)
    code, output = await run("doctor", live.server.url, *environment)
    assert (code, output.count("ok ")) == (0, 5), output
    port = live.server.port
    await live.server.kill()
    code, output = await run("doctor", f"http://127.0.0.1:{port}")
    assert (code, "failed" in output) == (1, True)
    assert (await run("doctor", "nonsense://x"))[0] == 1


async def test_serve_refuses_a_port_that_does_not_exist():
    code, output = await run("serve", "--port", "99999")
    assert (code, "port must be from 0 to 65535" in output) == (2, True)


async def test_serve_names_a_port_on_which_another_program_listens(tmp_path, live: LiveStage):
    code, output = await run_new("serve", "--data", str(tmp_path / "other"), "--port", str(live.server.port))
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{live.server.port}: another program listens there" in output


async def test_serve_refuses_a_database_of_a_later_version(tmp_path):
    server = PreparedServer(tmp_path)
    async with server:
        await server.stop()
    with sqlite3.connect(tmp_path / "data" / "tailwire.db") as c:
        c.execute("UPDATE alembic_version SET version_num = '9999'")
    c.close()
    with pytest.raises(RuntimeError, match="schema version 9999"):
        await server.start()


async def log_in(
    server: PreparedServer, uid: str, builder: AppSettingsBuilder, tls: ssl.SSLContext | None = None
) -> None:
    """Log in to a server with a client of these settings, and wait until it is connected."""
    settings = builder.override_client_host(server.url).build()
    async with ChatClient(server.app_id, settings, session_store=MemorySessionStore(), tls=tls) as chat:
        await chat.login(uid, auth_key=server.auth_key)
        await chat.wait_connected(10)
        assert await chat.ping() == "ping successful"


async def test_only_clients_that_trust_the_self_signed_certificate_connect(tmp_path):
    async with PreparedServer(tmp_path, None, "--demo-users", "--tls-self-signed") as server:
        assert server.url.startswith("https://")
        certificate = tmp_path / "data" / "development-cert.pem"
        await log_in(server, "alice", AppSettingsBuilder(), ssl.create_default_context(cafile=str(certificate)))
        await log_in(server, "bob", AppSettingsBuilder().certificate_authority(certificate))
        with pytest.raises(CometChatException, match="NO_INTERNET_CONNECTION"):
            await log_in(server, "alice", AppSettingsBuilder())


async def test_doctor_without_the_self_signed_certificate_fails_and_names_the_option_for_it(tmp_path):
    async with PreparedServer(tmp_path, None, "--demo-users", "--tls-self-signed") as server:
        code, output = await run("doctor", server.url)
        assert (code, "--ca FILE" in output, "certificate_authority" in output) == (1, True, True), output
        code, output = await run("doctor", server.url, "--ca", str(tmp_path / "data" / "development-cert.pem"))
        assert code == 0, output


@asynccontextmanager
async def started_wire(live: LiveStage, *options: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Run `tailwire wire` before the server, and yield a client of its control, as a test in any language has one."""
    command = [sys.executable, "-m", "tailwire.cli.main", "wire", f"127.0.0.1:{live.server.port}", *options]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert (await process.stdout.readline()).startswith(b"line ")
        control = (await process.stdout.readline()).split()[-1].decode()
        async with httpx2.AsyncClient(base_url=control, trust_env=False) as line:
            yield line
    finally:
        process.terminate()
        assert await process.wait() == 0


async def test_wire_injects_faults_that_are_requested_over_http(live: LiveStage):
    async with started_wire(live) as line:
        url = (await line.get("/")).json()["line"]
        alice, bob = await live.enter("alice"), await live.enter("bob", url=url)
        for name in ("drop", "cut", "cut-mid-frame"):
            assert (await line.post(f"/{name}")).status_code == 200
            await alice.say("bob", name)
            await line.post("/restore")
            bob.chat.set_network("online")
            await bob.ears.until(lambda name=name: bob.ears.texts[-1:] == [name])
        await bob.wait_connected()
        await line.post("/duplicate", params={"frames": 1})
        await line.post("/delay", params={"seconds": 0.1})
        await alice.say("bob", "twice")
        await alice.say("bob", "last")
        await bob.ears.until(lambda: bob.ears.texts[-1:] == ["last"])
        assert bob.ears.texts == ["drop", "cut", "cut-mid-frame", "twice", "last"]
        await line.post("/half-open")
        bob.chat.set_network("online")
        await bob.ears.until(lambda: bob.status is not CONNECTED)


async def test_line_of_wire_has_the_latency_of_its_options_until_it_is_changed(live: LiveStage):
    options = ("--rate", "8mbit", "--rate-up", "500000", "--queue", "1", "--latency", "0.05")
    async with started_wire(live, *options) as line, httpx2.AsyncClient(trust_env=False) as http:
        url = (await line.get("/")).json()["line"]
        begin = time.monotonic()
        assert (await http.get(f"{url}/health")).status_code == 200
        assert time.monotonic() - begin >= 0.2  # connecting and the request, one round trip each
        assert (await line.post("/shape?latency=0")).status_code == 200
        seconds = []
        for _ in range(20):
            begin = time.monotonic()
            assert (await http.get(f"{url}/health")).status_code == 200
            seconds.append(time.monotonic() - begin)
        assert min(seconds) < 0.1  # one round trip with the latency takes at least that long


async def test_wire_writes_the_address_of_its_control_to_the_ready_file(live: LiveStage, tmp_path):
    ready = tmp_path / "wire.json"
    async with started_wire(live, "--ready-file", str(ready)) as line:
        async with asyncio.timeout(10):
            while not ready.exists():
                await asyncio.sleep(0.01)
        assert json.loads(ready.read_text())["control"] == str(line.base_url).rstrip("/")


async def test_control_of_wire_names_its_operations_and_refuses_others(live: LiveStage):
    async with started_wire(live) as line:
        assert "POST /delay?seconds=0.2" in (await line.get("/")).json()["operations"]
        for path in ("/delay?seconds=-1", "/delay?seconds=x", "/drop?now=1", "/delay?seconds=1e9"):
            assert (await line.post(path)).status_code == 400
        assert (await line.post("/explode")).status_code == 404
        assert (await line.get("/drop")).status_code == 405


def test_wire_reports_invalid_arguments(capsys):
    from tailwire.cli.main import main

    assert main(["wire", "nowhere"]) == 2
    assert "HOST:PORT" in capsys.readouterr().err
    for option, value in (("--rate", "fast"), ("--rate-down", "-1"), ("--queue", "nan"), ("--latency", "1e9")):
        assert main(["wire", "127.0.0.1:1", f"{option}={value}"]) == 2
        assert value in capsys.readouterr().err
    for arguments in (["a:1", "--port=99999"], ["a:1", "--port=-1"], ["a:1", "--control=65536"], ["a:99999"]):
        assert main(["wire", *arguments]) == 2
        assert "must be from 0 to 65535" in capsys.readouterr().err


async def test_folder_in_use_can_be_backed_up_but_not_restored_or_served_again(live: LiveStage):
    data, target = str(live.folder / "data"), str(live.folder / "backup")
    code, output = await run("serve", "--data", data, "--port", "0")
    assert (code, output.count("\n")) == (1, 1)
    assert f"pid {live.server.pid}" in output
    assert live.server.url in output
    code, output = await run_new("backup", target, "--data", data)
    assert (code, "verified" in output) == (0, True)
    assert (await run("backup", target, "--data", data))[0] == 1
    code, output = await run("restore", target, "--data", data, "--replace")
    assert (code, "in use" in output) == (1, True)
