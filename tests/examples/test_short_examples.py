"""The short examples as processes with a real server: each with a message while it is hidden, stopped or not running."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from blocking_example import Place
from PIL import Image
from test_backends import backend, delivered, until

from adapters.conftest import need
from adapters.screen import Screen, missing, wait_for
from adapters.shell import Shell, needs_a_terminal
from harness import LiveStage

pytestmark = [pytest.mark.gui, pytest.mark.slow]
FOLDER = Path(__file__).parents[2] / "examples" / "short"
MOST_LINES = {"textual_chat": 102, "tk_chat": 64, "agent": 45, "backend": 23}
"""Half of what the same apps took before there were live lists, the blocking client, bots and the client for backends."""


@pytest.mark.parametrize("name", MOST_LINES)
def test_short_example_has_at_most_its_number_of_lines(name: str):
    assert len((FOLDER / f"{name}.py").read_text().splitlines()) <= MOST_LINES[name]


def test_every_short_example_has_a_limit():
    assert {file.stem for file in FOLDER.glob("*.py")} == set(MOST_LINES)


async def test_short_agent_answers_what_it_missed(live: LiveStage, tmp_path: Path):
    carol = await live.enter("carol", presence=True)
    environment = {**os.environ, "APP_ID": live.server.app_id, "AUTH_KEY": live.server.auth_key}
    environment |= {"CHAT_URL": live.server.url, "XDG_DATA_HOME": str(tmp_path)}

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(FOLDER / "agent.py")], env=environment)

    with start() as process:
        try:
            await carol.ears.until(lambda: carol.ears.all("online").count("bob") == 1)
            await carol.say("bob", "hello")
            await carol.ears.until(lambda: carol.ears.texts == ["You said 1 things, at last: hello"])
        finally:
            process.kill()
    await carol.ears.until(lambda: carol.ears.all("offline").count("bob") == 1)
    await carol.say("bob", "and now?")
    with start() as process:
        try:
            await carol.ears.until(lambda: len(carol.ears.texts) == 2)
            assert carol.ears.texts[1] == "You said 2 things, at last: and now?"
        finally:
            process.terminate()
        assert process.wait(20) == 0


async def test_short_backend_issues_tokens_and_receives_webhooks(live: LiveStage, monkeypatch):
    need("flask")
    monkeypatch.setenv("CHAT_HOOK_SECRET", "whsec_" + base64.b64encode(bytes(32)).decode())
    command = ["-m", "flask", "--app", str(FOLDER / "backend.py"), "run"]
    for start in (1, 2):  # the second start finds its webhook
        async with backend(live, *command) as (client, lines):
            token = (await client.post("/chat-token", headers={"x-user": "alice"})).json()["token"]
            alice = live.actor()
            await alice.chat.init()
            await alice.chat.login_with_auth_token(token)
            await alice.say("bob", f"message {start}")
            await until(lambda lines=lines: any(line.endswith(" alice\n") for line in lines), lines)
            assert await delivered(live)
            forged = await client.post("/chat-events", json={"data": {"message": {"sender": "bob"}}})
            assert (forged.status_code, any(line.endswith(" bob\n") for line in lines)) == (401, False)


def test_short_tk_window_receives_what_was_written_while_it_was_minimised(tmp_path: Path):
    need("tkinter", "_tkinter")
    if lacking := missing():
        pytest.skip(f"not installed: {', '.join(lacking)} (Debian packages): run `make gui`")
    place, screen = Place(tmp_path), Screen()

    def ink() -> int:
        """Return the number of dark pixels of the window, once two successive pictures are equal."""
        counts = [0]
        while len(counts) < 3 or counts[-1] != counts[-2]:
            screen.screenshot(tmp_path / "screen.png")
            with Image.open(tmp_path / "screen.png") as picture:
                grey = picture.convert("L")
            counts.append(sum(grey.crop(grey.getbbox()).histogram()[:60]))
        return counts[-1]

    try:
        environment = {**screen.environment, **place.environment()}
        with subprocess.Popen([sys.executable, str(FOLDER / "tk_chat.py"), "bob"], env=environment) as process:
            try:
                wait_for(lambda: place.sockets() == 1, "it is connected", 60)
                screen.activate("tk")
                wait_for(lambda: screen.xdotool("getactivewindow") == screen.window("tk"), "it is shown")
                bare = ink()
                place.say("Bob writes a line")
                wait_for(lambda: ink() > bare + 200, "the line is shown")
                line = ink() - bare
                screen.minimise("tk")
                wait_for(lambda: place.sockets() == 0, "it is minimised: the socket is gone")
                place.say("Bob writes a line")
                screen.activate("tk")
                wait_for(lambda: place.sockets() == 1, "it is back")
                wait_for(lambda: ink() > bare + 1.8 * line, "what was written meanwhile is shown too")
                screen.xdotool("windowactivate", "--sync", screen.window("tk"), "type", "thanks")
                screen.xdotool("key", "Return")
                wait_for(lambda: place.heard() == ["thanks"], "Bob has the answer")
                screen.close_window("tk")
                assert process.wait(30) == 0
            finally:
                process.kill()
    finally:
        place.close()
        screen.close()


@needs_a_terminal("textual")
async def test_short_textual_chat_receives_what_was_written_while_it_was_stopped(live: LiveStage, tmp_path: Path):
    bob = await live.enter("bob", presence=True)
    await bob.say("alice", "good morning")
    shell = Shell({
        "PYTHONPATH": str(FOLDER.parents[1] / "src"), "XDG_DATA_HOME": str(tmp_path), "APP_ID": live.server.app_id,
        "AUTH_KEY": live.server.auth_key, "CHAT_URL": live.server.url,
        "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent",
    })  # fmt: skip
    try:
        await shell.until_asked()
        shell.type(f"{sys.executable} {FOLDER / 'textual_chat.py'}\n")
        await shell.until_shown("Bob (1)")
        shell.type("\x1b[B\r")  # down, enter
        await shell.until_shown("Bob: good morning")
        shell.type("hello\r")
        await bob.ears.until(lambda: bob.ears.texts == ["hello"])
        shell.type("\x1a")
        await shell.until_shown("Stopped")
        await bob.ears.until(lambda: bob.ears.all("offline").count("alice") == 1)
        await bob.say("alice", "\x1b]0;title\x07while stopped")
        shell.type("clear; fg\n")
        await shell.until_shown("Bob: ]0;titlewhile stopped")  # without the escape, which would set a title
        await bob.ears.until(lambda: bob.ears.all("online").count("alice") == 2)
        shell.type("\x11")  # Ctrl+Q
        await shell.until_asked()
        assert "Traceback" not in shell.text
    finally:
        shell.close()
