"""The command in a shell on a pseudo-terminal: a cut line, a restarted server, Ctrl+Z, and the demo."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from adapters.shell import Shell, needs_a_terminal
from harness import LiveStage
from tailwire.testing.line.proxy import FaultProxy

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.gui, pytest.mark.slow, needs_a_terminal("textual")]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of the shell."""
    return {"PYTHONPATH": str(ROOT / "src"), "HOME": str(folder), "XDG_DATA_HOME": str(folder), **more}


async def wait_gone(shell: Shell, text: str) -> None:
    """Wait until a text is not on the screen."""
    await shell.until(lambda: text not in shell.text, f"without {text}")


async def test_messages_survive_a_cut_line_a_restart_of_the_server_and_suspension(live: LiveStage, tmp_path: Path):
    alice = await live.enter("alice", presence=True)
    await alice.say("bob", "good morning")
    async with FaultProxy("127.0.0.1", live.server.port) as line:
        shell = Shell(environment(tmp_path, TAILWIRE_AUTH_KEY=live.server.auth_key))
        try:
            await shell.until_asked()
            command = f"{sys.executable} -m tailwire chat {line.url} --app-id {live.server.app_id} --user bob"
            shell.type(f"{command}\n")
            shown_twice = "good morning in the list and in the open conversation"
            await shell.until(lambda: shell.text.count("good morning") == 2, shown_twice)
            await shell.until_shown("● Bob")

            line.cut()
            await shell.until_shown("○ Bob")
            shell.type("from the tunnel\r")
            await shell.until_shown("from the tunnel")
            await alice.say("bob", "are you there?")
            line.restore()
            await shell.until_shown("are you there?")
            await alice.ears.until(lambda: alice.ears.texts == ["from the tunnel"])

            await live.server.kill()
            await shell.until_shown("○ Bob")
            shell.type("while it restarts\r")
            await shell.until_shown("while it restarts")
            await live.server.start()
            await alice.ears.until(lambda: alice.ears.texts == ["from the tunnel", "while it restarts"])
            await shell.until_shown("● Bob")

            times = alice.ears.all("offline").count("bob")
            shell.type("\x1a")
            await shell.until_shown("Stopped")
            await alice.ears.until(lambda: alice.ears.all("offline").count("bob") > times)
            await alice.say("bob", "while you were stopped")
            shell.type("fg\n")
            await shell.until_shown("while you were stopped")
            await shell.until_shown("● Bob")

            shell.type("\x11")
            await shell.until_asked()
            assert "Traceback" not in shell.text
            assert alice.ears.texts == ["from the tunnel", "while it restarts"]
        finally:
            shell.close()


async def test_demo_starts_a_server_with_a_bot_that_answers(tmp_path: Path):
    shell = Shell(environment(tmp_path))
    try:
        await shell.until_asked()
        shell.type(f"cd {tmp_path}; {sys.executable} -m tailwire chat --demo\n")
        await shell.until_shown("I am a bot")
        await shell.until_shown("yourself as Bob.")
        await shell.until_shown("● Alice")
        shell.type("hello\r")
        await shell.until_shown("You said: hello")
        shell.type("\x11")
        await shell.until_asked()
        shell.type(f"clear; {sys.executable} -m tailwire chat --demo\n")
        await shell.until_shown("You said: hello")
        shell.type("\x11")
        await shell.until_asked()
    finally:
        shell.close()


async def test_command_without_a_terminal_is_refused(tmp_path: Path):
    import asyncio

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tailwire", "chat", stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment(tmp_path),
    )  # fmt: skip
    _, output = await process.communicate()
    assert process.returncode == 2
    assert output.decode() == "tailwire: chat needs a terminal: run it without pipes\n"
