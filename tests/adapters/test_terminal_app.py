"""A terminal app in a shell with job control: Ctrl+Z, `fg`, and `bg`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from adapters.shell import Shell, needs_a_terminal
from harness import LiveStage

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.gui, needs_a_terminal()]


@pytest.mark.slow
async def test_app_disconnects_on_ctrl_z_and_reconnects_with_fg_and_bg(live: LiveStage):
    alice = await live.enter("alice", presence=True)
    server, program = live.server, ROOT / "tests" / "e2e" / "terminal_app.py"
    shell = Shell({"PYTHONPATH": str(ROOT / "src")})

    async def stop(times: int) -> None:
        shell.type("\x1a")
        await shell.until_shown("Stopped")
        await alice.ears.until(lambda: alice.ears.all("offline").count("bob") == times)
        await alice.say("bob", f"stopped {times}")
        shell.type("clear; echo as $((20 + 22))\n")
        await shell.until_shown("as 42")

    try:
        await shell.until_asked()
        shell.type(f"{sys.executable} {program} {server.url} {server.app_id} {server.auth_key}\n")
        await alice.ears.until(lambda: alice.ears.all("online").count("bob") == 1)
        await shell.until_shown("connected")
        await stop(1)
        shell.type("fg\n")
        await shell.until_shown("stopped 1")
        await stop(2)
        shell.type("bg\n")
        await shell.until_shown("stopped 2")
    finally:
        shell.close()
