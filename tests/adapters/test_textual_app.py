"""A Textual app in a shell with job control: Ctrl+Z stops it after the socket is closed, `fg` restores it."""

from __future__ import annotations

import sys
import termios
from pathlib import Path

import pytest

from adapters.shell import Shell, needs_a_terminal
from harness import LiveStage
from recording_clients import RecordingLoopClient
from tailwire import watch_terminal, watch_textual

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("textual_program.py")
pytestmark = [pytest.mark.gui, needs_a_terminal("textual")]
BACK, FRONT = ("background", "textual"), ("foreground", "textual")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["given", "found"])
async def test_app_disconnects_on_ctrl_z_and_reconnects_with_fg(live: LiveStage, how):
    alice = await live.enter("alice", presence=True)
    shell = Shell({"PYTHONPATH": str(ROOT / "src")})
    try:
        await shell.until_asked()
        modes, server = shell.modes, live.server
        shell.type(f"{sys.executable} {PROGRAM} {server.url} {server.app_id} {server.auth_key} {how}\n")
        await alice.ears.until(lambda: alice.ears.all("online").count("bob") == 1)
        await alice.say("bob", "before")
        await shell.until_shown("before")
        assert not shell.modes & termios.ICANON
        for n in (1, 2) if how == "given" else (1,):
            shell.type("\x1a")
            await shell.until_shown("Stopped")
            await shell.until_asked()
            assert shell.modes == modes
            await alice.ears.until(lambda n=n: alice.ears.all("offline").count("bob") == n)
            await alice.say("bob", f"while stopped {n}")
            shell.type("clear; echo as $((20 + 22))\n")
            await shell.until_shown("as 42")
            shell.type("fg\n")
            await shell.until_shown(f"while stopped {n}")
            await alice.ears.until(lambda n=n: alice.ears.all("online").count("bob") == n + 1)
            assert "before" in shell.text
        shell.type("q")
        await shell.until_asked()
        assert shell.modes == modes
        assert "Traceback" not in shell.text
    except TimeoutError:
        raise AssertionError(f"{alice.ears.heard}\n{shell.text}") from None
    finally:
        shell.close()


def an_app():
    from textual.app import App

    return App()


async def test_app_that_cannot_be_suspended_stays_in_the_foreground():
    app = an_app()
    async with app.run_test() as pilot:
        chat = RecordingLoopClient()
        with watch_textual(chat, app) as watch:
            assert watch.knows == {"paused"}
            await app.run_action("suspend_process")
            assert chat.reported == [BACK, FRONT]
            await pilot.pause()
            assert watch.seen == "resumed"
        assert "action_suspend_process" not in vars(app)
        await app.run_action("suspend_process")
        assert chat.reported == [BACK, FRONT]


async def test_continued_app_does_not_end_the_background_of_a_sleep(live: LiveStage):
    alice, bob = await live.enter("alice", presence=True), await live.enter("bob")
    app = an_app()
    async with app.run_test():
        with watch_textual(bob.chat, app) as watch:
            bob.chat.set_app_state("background", reason="sleep")
            await alice.ears.until(lambda: alice.ears.all("offline").count("bob") == 1)
            await app.run_action("suspend_process")  # it cannot be stopped here, so this returns at once
            assert watch.seen == "resumed"
            assert bob.chat.get_connection_status() == "disconnected"
            await alice.say("bob", "while asleep")
            assert bob.ears.texts == []
            bob.chat.set_app_state("foreground", reason="sleep")
            await bob.ears.until(lambda: bob.ears.texts == ["while asleep"])


async def test_manual_mode_keeps_the_socket_during_a_short_stop(live: LiveStage):
    alice, bob = await live.enter("alice"), await live.enter("bob", auto=False)
    app = an_app()
    await bob.chat.connect()
    async with app.run_test():
        with watch_textual(bob.chat, app):
            before = [t.status for t in bob.chat.connection.history].count("connected")
            await app.run_action("suspend_process")
            await alice.say("bob", "within the window")
            await bob.ears.until(lambda: bob.ears.texts == ["within the window"])
            assert [t.status for t in bob.chat.connection.history].count("connected") == before
    await bob.chat.disconnect()


async def test_terminal_focus_is_ignored():
    from textual.events import AppBlur, AppFocus

    app = an_app()
    async with app.run_test() as pilot:
        chat = RecordingLoopClient()
        with watch_textual(chat, app):
            for event in (AppBlur(), AppFocus(), AppBlur()):
                app.post_message(event)
                await pilot.pause()
        assert not app.app_focus
        assert chat.reported == []


async def test_watch_terminal_refuses_a_textual_app():
    app, sent = an_app(), []

    def within():
        try:
            watch_terminal(RecordingLoopClient())
        except RuntimeError as e:
            sent.append(str(e))

    async with app.run_test() as pilot:
        app.call_later(within)
        await pilot.pause()
    assert "watch_textual" in sent[0]
