"""The connection over real sockets, against the server in its own process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from harness import CONNECTED, DISCONNECTED, LiveStage
from tailwire import CometChatException, FileSessionStore, MediaMessage, UploadFile, watch_terminal
from tailwire.testing.line.proxy import FaultProxy

spec = pytest.mark.spec


@spec("S1", "S2", "S3", "S5", "S6", "S9", "S27", "C1", "C2", "C3", "C9")
async def test_auto_mode_follows_the_app_state_and_loses_nothing(live: LiveStage, tmp_path):
    store = FileSessionStore(tmp_path / "sessions")
    alice, bob = await live.enter("alice"), await live.enter("bob", store=store)
    await alice.say("bob", "live")
    await bob.ears.until(lambda: bob.ears.texts == ["live"])
    bob.chat.set_app_state("background")
    assert bob.status is DISCONNECTED
    await alice.say("bob", "in the background")
    bob.chat.set_app_state("foreground")
    await bob.ears.until(lambda: bob.ears.texts == ["live", "in the background"])
    await bob.chat.aclose()
    await alice.say("bob", "while closed")
    again = live.actor(store=store)
    await again.chat.init()
    again.listen()
    await again.ears.until(lambda: again.ears.texts == ["while closed"])


@spec("S8", "S9", "S14", "S17", "S18", "S19", "C4", "C7")
async def test_manual_mode_connects_and_disconnects_on_request(live: LiveStage):
    alice = await live.enter("alice", auto=False)
    assert await alice.chat.connect() == "Web socket connection successful"
    assert await alice.chat.ping() == "ping successful"
    assert await alice.chat.disconnect() == "Web socket disconnection successful"
    assert alice.status is DISCONNECTED


@spec("S7", "C10", "C20", "C21", "K1")
async def test_messages_survive_network_interruptions(live: LiveStage):
    async with FaultProxy("127.0.0.1", live.server.port) as proxy:
        alice, bob = await live.enter("alice"), await live.enter("bob", url=proxy.url)
        for n in range(5):
            proxy.cut()
            await bob.ears.until(lambda: bob.status is not CONNECTED)
            await alice.say("bob", str(n))
            proxy.restore()
            bob.chat.set_network("offline")
            bob.chat.set_network("online")
            await bob.ears.until(lambda n=n: len(bob.ears.texts) == n + 1)
        assert bob.ears.texts == ["0", "1", "2", "3", "4"]
        proxy.half_open()
        bob.chat.set_network("offline")  # the hint: a ping is sent, and no pong arrives
        await bob.ears.until(lambda: bob.status is not CONNECTED)
        await alice.say("bob", "5")
        proxy.restore()
        bob.chat.set_network("online")
        await bob.ears.until(lambda: bob.ears.texts[-1] == "5")


@spec("K1", "K3", "S7")
async def test_server_killed_repeatedly_during_sends_loses_and_doubles_nothing(live: LiveStage):
    """Every acknowledged message is stored and received once and in order, and no id is assigned twice."""
    alice, bob = await live.enter("alice"), await live.enter("bob")
    acknowledged: dict[int, str] = {}
    failures: list[str] = []
    senders_done = False
    count = goal = 0
    reached = asyncio.Event()

    async def send(lane: int) -> None:
        nonlocal count
        while not senders_done:
            count += 1
            text = f"{lane}-{count}"
            try:
                stored = await alice.say("bob", text, muid=text)
            except CometChatException as e:
                failures.append(e.code)
                continue
            assert stored.id not in acknowledged, "an id was given twice"
            acknowledged[stored.id] = text
            if len(acknowledged) >= goal:
                reached.set()

    senders = [asyncio.create_task(send(lane)) for lane in range(8)]
    for _ in range(6):
        goal = len(acknowledged) + 40
        reached.clear()
        await reached.wait()
        await live.server.kill()
        await live.server.start()
    senders_done = True
    await asyncio.gather(*senders)
    assert set(failures) <= {"NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE"}
    await bob.ears.until(lambda: len(bob.ears.texts) >= len(acknowledged), 40)
    received = {m.id: m.text for m in bob.ears.all("text")}
    ids = [m.id for m in bob.ears.all("text")]
    assert ids == sorted(set(ids))
    assert {n: received.get(n) for n in acknowledged} == acknowledged
    history = {m.id: m.text async for m in bob.chat.messages(uid="alice", page_size=100)}
    assert {n: history.get(n) for n in acknowledged} == acknowledged
    assert len(set(history.values())) == len(history), "a muid was stored twice"


@spec("T6")
async def test_server_killed_during_an_upload_keeps_no_partial_file_after_its_restart(live: LiveStage):
    alice, bob = await live.enter("alice"), await live.enter("bob")
    file, begun, killed = UploadFile(content=bytes(3_000_000), name="a.bin"), asyncio.Event(), asyncio.Event()
    uploads = live.folder / "data" / "uploads"

    async def kill() -> None:
        await begun.wait()
        await live.server.kill()
        assert list(uploads.glob(".*.part"))
        killed.set()
        await live.server.start()

    def half(name: str, sent: int, total: int) -> None:
        if sent > total / 2:
            begun.set()

    killing = asyncio.create_task(kill())
    upload = alice.chat.upload_attachments("bob", "user", [file], on_progress=half)
    (outcome,) = await asyncio.gather(upload, return_exceptions=True)
    assert not isinstance(outcome, BaseException) or getattr(outcome, "code", "") == "NO_INTERNET_CONNECTION"
    await killing
    assert not list(uploads.glob(".*.part"))
    await alice.chat.send_media_message(MediaMessage(receiver="bob", type="file", files=[file]))
    await bob.ears.until(lambda: bool(bob.ears.all("media")))
    assert bob.ears.all("media")[0].attachment.size == 3_000_000


async def test_graceful_stop_is_announced_and_the_client_returns(live: LiveStage):
    alice = await live.enter("alice")
    assert await live.server.stop() == 0
    await alice.ears.until(lambda: alice.status is not CONNECTED)
    lost = next(t for t in alice.chat.connection.history if t.trigger == "SocketLost")
    assert lost.cause == "server_restarting"
    await live.server.start()
    await alice.wait_connected()


async def test_ctrl_z_disconnects_and_fg_connects_again(live: LiveStage):
    """Ctrl+Z puts the app into the background, and waking it brings it back to the foreground, each time."""
    alice = await live.enter("alice")
    stopped = asyncio.Event()
    with watch_terminal(alice.chat, stop=stopped.set):
        os.kill(os.getpid(), signal.SIGTSTP)
        await stopped.wait()
        assert alice.status is DISCONNECTED
        os.kill(os.getpid(), signal.SIGCONT)
        await alice.wait_connected()
        os.kill(os.getpid(), signal.SIGCONT)
        await alice.wait_connected()


async def test_ctrl_z_stops_a_real_process_after_it_has_closed_its_socket(live: LiveStage):
    """The process is stopped after closing its socket, and receives missed messages afterwards."""
    server = live.server
    app = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("terminal_app.py")),
        server.url,
        server.app_id,
        server.auth_key,
        stdout=asyncio.subprocess.PIPE,
        process_group=0,  # as a shell starts it: the system stops only processes that a shell can continue
    )

    async def until(word: str) -> None:
        while (line := (await app.stdout.readline()).decode().strip()) != word:
            assert line, "the app has ended"

    try:
        alice = await live.enter("alice", presence=True)
        await until("connected")
        app.send_signal(signal.SIGTSTP)
        stopped = asyncio.get_running_loop().run_in_executor(
            None, os.waitid, os.P_PID, app.pid, os.WSTOPPED | os.WNOWAIT
        )
        await stopped
        await alice.ears.until(lambda: "bob" in alice.ears.all("offline"))
        await alice.say("bob", "while stopped")
        app.send_signal(signal.SIGCONT)
        await until("while stopped")
        await alice.ears.until(lambda: alice.ears.all("online")[-1:] == ["bob"])
    finally:
        app.kill()
        await app.wait()


async def test_ctrl_z_without_a_shell_does_not_stop_the_process(live: LiveStage):
    """The system does not stop the process, so its client disconnects and connects again at once."""
    server = live.server
    app = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("terminal_app.py")),
        server.url,
        server.app_id,
        server.auth_key,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )

    async def line() -> str:
        return (await app.stdout.readline()).decode().strip()

    try:
        async with asyncio.timeout(30):
            while await line() != "connected":
                pass
            app.send_signal(signal.SIGTSTP)
            assert [await line(), await line()] == ["disconnected", "connected"]
    finally:
        app.kill()
        await app.communicate()


async def test_dump_has_no_secrets_and_can_be_replayed(live: LiveStage, tmp_path, capsys):
    from tailwire.cli.main import main

    alice = await live.enter("alice")
    alice.chat.set_app_state("background")
    file = tmp_path / "dump.json"
    alice.chat.connection.dump(file)
    text = file.read_text()
    for secret in (live.server.auth_key, live.server.api_key, alice.chat._sessions.require().auth_token, "authToken"):
        assert secret not in text
    assert main(["replay", str(file)]) == 0
    output = capsys.readouterr().out
    assert "LoggedIn()" in output
    assert "OpenSocket(epoch=1)" in output
    assert output.rstrip().endswith("it reconnects when the app returns to the foreground")


def test_dump_of_an_unknown_format_is_not_replayed(tmp_path, capsys):
    from tailwire.cli.main import main

    file = tmp_path / "dump.json"
    file.write_text(json.dumps({"format": 7}))
    assert main(["replay", str(file)]) == 1
    assert "format" in capsys.readouterr().err


@pytest.mark.parametrize("last", ["foreground", "background"])
async def test_last_of_a_thousand_quick_changes_of_the_app_state_decides_the_connection(live: LiveStage, last: str):
    alice = await live.enter("alice")
    first = "background" if last == "foreground" else "foreground"
    for n in range(500):
        alice.chat.set_app_state(first)
        alice.chat.set_app_state(last)
        if n % 50 == 0:
            await asyncio.sleep(0)
    if last == "foreground":
        await alice.wait_connected()
        assert await alice.chat.ping() == "ping successful"
    else:
        await alice.ears.until(lambda: alice.status is DISCONNECTED)
        await asyncio.sleep(1.0)
        assert alice.status is DISCONNECTED
