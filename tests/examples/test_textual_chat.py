"""The Textual example in a shell: two users, a network failure, Ctrl+Z and `fg`, and a restart."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from adapters.shell import Shell, needs_a_terminal
from harness import Actor, LiveStage
from tailwire.testing.line.proxy import FaultProxy

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "textual_chat.py"
pytestmark = [pytest.mark.gui, pytest.mark.slow, needs_a_terminal("textual")]


def environment(live: LiveStage, url: str, folder: Path, user: str = "bob") -> dict[str, str]:
    """Return the environment that the docstring of an example requires."""
    return {
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": str(folder),
        "APP_ID": live.server.app_id,
        "AUTH_KEY": live.server.auth_key,
        "CHAT_URL": url,
        "CHAT_USER": user,
    }


async def until_hidden(alice: Actor, times: int) -> None:
    """Wait until the server has reported bob as offline the given number of times."""
    await alice.ears.until(lambda: alice.ears.all("offline").count("bob") == times)


async def until_gone(shell: Shell, text: str) -> None:
    await shell.until(lambda: text not in shell.text, f"without {text}")


async def cleared(shell: Shell) -> None:
    """Wait for the shell's prompt, and clear the remains of the app from the screen."""
    await shell.until_asked()
    shell.type("clear; echo as $((20 + 22))\n")
    await shell.until_shown("as 42")


async def test_chat_survives_network_failure_suspension_and_restart(live: LiveStage, tmp_path: Path):
    alice = await live.enter("alice", presence=True)
    async with FaultProxy("127.0.0.1", live.server.port) as line:
        shell = Shell(environment(live, line.url, tmp_path))
        try:
            await shell.until_asked()
            shell.type(f"{sys.executable} {EXAMPLE}\n")
            await shell.until_shown("connected")
            shell.type("alice\r")
            await shell.until_shown("─ alice ─")
            shell.type("good morning\r")
            await alice.ears.until(lambda: alice.ears.texts == ["good morning"])
            await alice.say("bob", "and to you")
            await shell.until_shown("and to you")

            line.cut()
            await until_gone(shell, "connected")
            shell.type("from the tunnel\r")
            await shell.until_shown("waits for the network")
            await alice.say("bob", "are you there?")
            line.restore()
            await shell.until_shown("are you there?")
            await until_gone(shell, "waits for the network")
            await alice.ears.until(lambda: alice.ears.texts == ["good morning", "from the tunnel"])

            gone = alice.ears.all("offline").count("bob")
            shell.type("\x1a")
            await shell.until_shown("Stopped")
            await until_hidden(alice, gone + 1)
            await alice.say("bob", "while you were stopped")
            await cleared(shell)
            shell.type("fg\n")
            await shell.until_shown("while you were stopped")
            await until_gone(shell, "1 new")

            shell.type("\x11")
            await cleared(shell)
            await alice.say("bob", "while you were away")
            shell.type(f"{sys.executable} {EXAMPLE}\n")
            await shell.until_shown("1 new")
            shell.type("\x1b[Z\x1b[B\r")  # focus the list, and select its first line
            await shell.until_shown("while you were away")
            await until_gone(shell, "1 new")
            for text in ("good morning", "and to you", "from the tunnel", "are you there?", "stopped", "were away"):
                assert shell.text.count(text) == 1, shell.text
            assert "Traceback" not in shell.text
            shell.type("\x11")
            await shell.until_asked()
        except TimeoutError:
            raise AssertionError(f"{alice.ears.heard}\n{shell.text}") from None
        finally:
            shell.close()
