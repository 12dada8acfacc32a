"""A Textual app in a shell with job control: Ctrl+Z stops it after the goodbye, `fg` brings it back as it was."""

from __future__ import annotations

import sys
import termios
from pathlib import Path

import pytest

from adapters.shell import Shell, needs_a_terminal
from harness import LiveStage
from informed import Informed
from tailwire import watch_terminal, watch_textual

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("textual_program.py")
pytestmark = [pytest.mark.gui, needs_a_terminal("textual")]
BACK, FRONT = ("background", "textual"), ("foreground", "textual")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["given", "found"])
async def test_ctrl_z_and_fg_in_a_shell(live: LiveStage, how):
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


async def test_an_app_that_cannot_be_suspended_stays_in_the_foreground():
    app = an_app()
    async with app.run_test() as pilot:
        chat = Informed()
        with watch_textual(chat, app) as watch:
            assert watch.knows == {"paused"}
            await app.run_action("suspend_process")
            assert chat.told == [BACK, FRONT]
            await pilot.pause()
            assert watch.seen == "resumed"
        assert "action_suspend_process" not in vars(app)
        await app.run_action("suspend_process")
        assert chat.told == [BACK, FRONT]


async def test_the_focus_of_the_terminal_is_not_counted():
    from textual.events import AppBlur, AppFocus

    app = an_app()
    async with app.run_test() as pilot:
        chat = Informed()
        with watch_textual(chat, app):
            for event in (AppBlur(), AppFocus(), AppBlur()):
                app.post_message(event)
                await pilot.pause()
        assert not app.app_focus
        assert chat.told == []


async def test_the_terminals_watch_refuses_and_names_the_right_one():
    app, said = an_app(), []

    def within():
        try:
            watch_terminal(Informed())
        except RuntimeError as e:
            said.append(str(e))

    async with app.run_test() as pilot:
        app.call_later(within)
        await pilot.pause()
    assert "watch_textual" in said[0]
