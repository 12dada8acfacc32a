"""The pytest plugin as its users use it, by a pytest of its own: for the examples of the docs, in a new process."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
EXAMPLES = re.findall(r"^## (.+?)$.*?^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
HEAD = """
import asyncio

import pytest
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore, TextMessage

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


"""


OTHER_PLUGINS = ("schemathesis", "hypothesispytest", "xdist", "timeout")
"""Plugins that this suite has installed: they take a quarter of the time of a run."""


def run(pytester: pytest.Pytester, code: str, *more: str, ini: str = "", process: bool = False) -> pytest.RunResult:
    """Run tests with a pytest of their own, in this process or in a new one."""
    pytester.makepyfile(code)
    pytester.makeini(f"[pytest]\n{ini}\nfilterwarnings = error")
    arguments = ["-q", "-p", "no:cacheprovider", *(f"-pno:{name}" for name in OTHER_PLUGINS), *more]
    return pytester.runpytest_subprocess(*arguments) if process else pytester.runpytest_inprocess(*arguments)


def test_docs_examples_pass(pytester: pytest.Pytester):
    files = {f"test_{re.sub('[^a-z]+', '_', name.lower())}": code for name, code in EXAMPLES}
    pytester.makepyfile(**files)
    run(pytester, "", *[f"{name}.py" for name in files], process=True).assert_outcomes(passed=len(EXAMPLES))


def test_every_example_of_the_docs_is_run():
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    assert blocks == [code for _, code in EXAMPLES]  # one example below each heading


def test_server_scope_is_configurable(pytester: pytest.Pytester):
    code = """
seen = []


def test_one(tailwire_server, tailwire_users):
    tailwire_users("alice")
    seen.append(tailwire_server.app_id)


def test_two(tailwire_server):
    seen.append(tailwire_server.app_id)
    assert (seen[0] == seen[1]) is ONE
"""
    run(pytester, code.replace("ONE", "False")).assert_outcomes(passed=2)
    run(pytester, code.replace("ONE", "True"), ini="tailwire_server_scope = session").assert_outcomes(passed=2)
    wrong = run(pytester, code, ini="tailwire_server_scope = galaxy")
    wrong.stderr.fnmatch_lines(["*tailwire_server_scope: use function, module or session, not 'galaxy'*"])


def test_users_of_a_server_that_tests_share_get_a_new_token_in_each(pytester: pytest.Pytester):
    code = (
        HEAD
        + """
seen = {"alice"}


@pytest.mark.parametrize("turn", [1, 2])
async def test_it(turn, tailwire_server, tailwire_users):
    alice, bob = tailwire_users("alice", "bob")
    assert [(user.uid, user.name) for user in (alice, bob)] == [("alice", "Alice"), ("bob", "Bob")]
    assert alice.token not in seen
    seen.add(alice.token)
    settings = AppSettingsBuilder().override_client_host(tailwire_server.url).build()
    async with ChatClient(tailwire_server.app_id, settings, session_store=MemorySessionStore()) as chat:
        assert (await chat.login_with_auth_token(alice.token)).uid == "alice"
"""
    )
    run(pytester, code, ini="tailwire_server_scope = session").assert_outcomes(passed=2)


def test_server_settings_are_configurable(pytester: pytest.Pytester):
    code = """
def test_it(tailwire_server):
    assert tailwire_server.parts.gateway.settings.max_frame == 1000
"""
    run(pytester, code, ini="tailwire_server_settings = max_frame = 1000").assert_outcomes(passed=1)
    result = run(pytester, code, ini="tailwire_server_settings = max_farme = 1000")
    result.assert_outcomes(errors=1)


def test_port_of_the_server_is_configurable(pytester: pytest.Pytester):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = f"""
def test_it(tailwire_server):
    for _ in range(2):
        assert tailwire_server.url == "http://127.0.0.1:{port}"
        tailwire_server.restart()
"""
    run(pytester, code, ini=f"tailwire_server_settings = port = {port}").assert_outcomes(passed=1)


def test_line_to_a_server_with_a_certificate_has_an_https_url(pytester: pytest.Pytester):
    code = (
        HEAD
        + """
async def test_it(tailwire_server, tailwire_users, wire, tmp_path_factory):
    (alice,) = tailwire_users("alice")
    (file,) = tmp_path_factory.getbasetemp().rglob("development-cert.pem")
    settings = wire.settings(certificate_authority=file)
    async with ChatClient(tailwire_server.app_id, settings, session_store=MemorySessionStore()) as chat:
        await chat.login_with_auth_token(alice.token)
        await chat.wait_connected(10)
    assert wire.url.startswith("https://")
    assert min(wire.passed) > 0
"""
    )
    run(pytester, code, ini="tailwire_server_settings = tls_self_signed = true").assert_outcomes(passed=1)


def test_server_whose_start_failed_leaves_no_thread(pytester: pytest.Pytester):
    code = """
import threading

BEFORE = threading.enumerate()


def test_failing(tailwire_server):
    raise AssertionError("it has started")


def test_left():
    assert threading.enumerate() == BEFORE
"""
    ini = "tailwire_server_settings =\n  tls_cert = /no/such/file.pem\n  tls_key = /no/such/file.pem"
    result = run(pytester, code, ini=ini)
    result.assert_outcomes(errors=1, passed=1)


def test_server_settings_in_pyproject_have_the_form_of_the_page(pytester: pytest.Pytester):
    lines = ['tailwire_server_scope = "session"', 'tailwire_server_settings = ["max_name = 50"]']
    assert all(f"`{line}`" in PAGE.read_text() for line in lines)
    pytester.makepyfile("def test_it(tailwire_server): assert tailwire_server.parts.gateway.settings.max_name == 50")
    pytester.makepyprojecttoml("\n".join(["[tool.pytest.ini_options]", *lines, 'filterwarnings = ["error"]']))
    arguments = ["-q", "-p", "no:cacheprovider", *(f"-pno:{name}" for name in OTHER_PLUGINS)]
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=1)


def test_assertions_detect_violations(pytester: pytest.Pytester):
    code = (
        HEAD
        + """
async def test_it(tailwire_server, tailwire_users, wire, received, assert_no_loss, assert_once, assert_quiet):
    alice, bob = tailwire_users("alice", "bob")
    chat = ChatClient(tailwire_server.app_id, wire.settings(), session_store=MemorySessionStore())
    await chat.init()
    await chat.login_with_auth_token(bob.token)
    await chat.wait_connected(10)
    inbox = received(chat)
    other = ChatClient(tailwire_server.app_id, wire.settings(auto=False), session_store=MemorySessionStore())
    async with other:
        await other.login_with_auth_token(alice.token)
        sent = [await other.send_message(TextMessage(receiver="bob", text=str(n))) for n in range(3)]
    await assert_no_loss(sent, inbox)
    assert_once(inbox)
    lost = TextMessage(receiver="bob", text="never sent", id=99)
    with pytest.raises(AssertionError, match=r"1 of 4 messages were not received: 99 \\('never sent'\\)"):
        await assert_no_loss([*sent, lost], inbox, timeout=0.1)
    inbox.messages.append(inbox.messages[0])
    with pytest.raises(AssertionError, match="more than once"):
        assert_once(inbox)
    del inbox.messages[0]
    with pytest.raises(AssertionError, match="out of order"):
        assert_once(inbox)
    with pytest.raises(AssertionError, match="still running: tailwire"):
        assert_quiet()
    await chat.aclose()
    assert_quiet()
    assert alice.token not in repr(alice)
"""
    )
    run(pytester, code).assert_outcomes(passed=1)


def test_assert_quiet_detects_an_open_client_without_a_task(pytester: pytest.Pytester):
    code = (
        HEAD
        + """
async def test_it(tailwire_server, tailwire_users, wire, assert_quiet):
    (alice,) = tailwire_users("alice")
    chat = ChatClient(tailwire_server.app_id, wire.settings(auto=False), session_store=MemorySessionStore())
    assert_quiet()
    await chat.init()
    with pytest.raises(AssertionError, match="clients still open: one without a user; was every ChatClient closed"):
        assert_quiet()
    await chat.login_with_auth_token(alice.token)
    with pytest.raises(AssertionError, match="clients still open: that of alice"):
        assert_quiet()
    await chat.aclose()
    assert_quiet()
"""
    )
    run(pytester, code).assert_outcomes(passed=1)


def test_line_faults_take_effect(pytester: pytest.Pytester):
    code = (
        HEAD
        + """
async def test_it(tailwire_server, tailwire_users, wire, received):
    (alice,) = tailwire_users("alice")
    async with ChatClient(tailwire_server.app_id, wire.settings(auto=False), session_store=MemorySessionStore()) as chat:
        await chat.login_with_auth_token(alice.token)
        inbox = received(chat)

        async def causes_after(fault):
            await chat.connect()
            await chat.wait_connected(10)
            begin = len(chat.connection.history)
            fault()
            await inbox.until(lambda: str(chat.get_connection_status()) != "connected", 15)
            cause = next(str(t.cause) for t in chat.connection.history[begin:] if t.cause)
            wire.restore()
            await chat.wait_connected(30)
            return cause

        assert await causes_after(wire.drop) == "connection_reset"
        assert await causes_after(wire.cut) == "connection_reset"
        assert await causes_after(wire.restart_server) == "server_restarting"
        wire.cut_mid_frame(3)
        assert await causes_after(lambda: chat.set_network("online")) in ("connection_reset", "probe_failed")
        await chat.disconnect()
        wire.refuse()
        with pytest.raises(Exception) as caught:
            await chat.connect()
        assert caught.value.code == "WS_CONNECTION_FAIL"
        wire.restore()
        await chat.connect()
        wire.half_open(new=False)
        await chat.disconnect()
        await chat.connect()
        wire.idle_kill(60)
        wire.restore()
        await chat.disconnect()
        wire.swallow()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(chat.connect(), 1)
        wire.restore()
        await chat.connect()
        before = wire.passed
        wire.shape(rate="1mbit", up=50_000, latency=0.05)
        wire.delay(0.2)
        assert await chat.ping() == "ping successful"
        assert all(now > then for now, then in zip(wire.passed, before))
        with pytest.raises(ValueError, match="64kbit"):
            wire.shape(rate="fast")
        assert wire.connections >= 1
"""
    )
    run(pytester, code).assert_outcomes(passed=1)
