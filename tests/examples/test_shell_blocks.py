"""Every shell block of the docs is run, or stands in a table that says why it cannot be run here."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from examples.test_code_blocks import ROOT, blocks
from front import free_port
from servers.prepared import PreparedServer
from sizes import size

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
FOLLOWED = "docs/tutorials/"
"""Readers follow these pages in `test_tutorials.py`."""
NOT_RUN = {
    "systemctl": "needs systemd and root",
    "pip install": "installs packages; `make build` and the workflow install the wheel",
    "TAILWIRE_S3_ENDPOINT": "needs a bucket; e2e/test_files_on_s3.py has one",
    "pip freeze": "makes the lock file anew",
    "dist 'tailwire": "needs the file of a release",
    ".ci/run": "is what runs this test",
    "make build": "installs the tools of a build; the workflow runs it",
    "make demo": "sets the repository up; e2e/test_commands.py runs the demo",
    "make lab": "opens a browser; e2e/test_lab_process.py runs the lab",
    "make serve": "sets the repository up; readers of the tutorials run it",
}
"""Parts of blocks that are not run, and why. Their `tailwire` and `make` commands are still checked."""
BEFORE = {"tailwire restore": "tailwire backup --data running /backup/tailwire-2026-11-27"}
"""What a block takes for granted, by a part of it. The folder `running` is that of a running server."""
PRELUDE = """
set -euo pipefail
trap 'code=$?; jobs -p | xargs -r kill; wait; exit $code' EXIT
curl() { command curl -fsS --retry 30 --retry-connrefused --retry-delay 1 "$@"; }
"""


def runnable() -> list[tuple[str, str]]:
    """Return the blocks that are run here, with their pages: every fourth one in the usual size."""
    found = [
        (page, text)
        for page, text in blocks("sh")
        if not page.startswith(FOLLOWED) and not any(part in text for part in NOT_RUN)
    ]
    return found[:: size(4, 1)]


def block_names() -> list[str]:
    """Return the names of the blocks: the page and the beginning."""
    return [f"{page}: {text.splitlines()[0][:40]}" for page, text in runnable()]


@pytest.mark.thorough
@pytest.mark.parametrize(("page", "text"), runnable(), ids=block_names())
async def test_documented_commands_run(page: str, text: str, tmp_path: Path):
    begin = re.compile(r"^tailwire serve(?!.*&$).*$", re.MULTILINE)  # a server that runs until it is stopped
    for command in begin.findall(text):
        await _serves(command, tmp_path)
    text = begin.sub("", text)
    if text.strip():
        await _runs(text, tmp_path)


@pytest.mark.parametrize("part", NOT_RUN)
def test_block_that_is_not_run_still_exists(part: str):
    assert any(part in text for _, text in blocks("sh")), f"remove {part!r} from the table"


def test_documented_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = [(page, m) for page, text in blocks("sh") for m in re.findall(r"^\s*make ([a-z]+)", text, re.MULTILINE)]
    assert named
    assert [(page, target) for page, target in named if target not in targets] == []


def _environment(**more: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "src"), **more}


async def _serves(command: str, folder: Path) -> None:
    # The server starts, with whatever ready file, and stops at Ctrl+C.
    ready = folder / "ready.json"
    port = "" if "--port" in command else f" --port {free_port()}"
    file = "" if "--ready-file" in command else f" --ready-file {ready}"
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", "exec " + command.partition("#")[0] + port + file, cwd=folder, env=_environment()
    )
    try:
        async with asyncio.timeout(60):
            while not ready.exists():
                assert process.returncode is None, command
                await asyncio.sleep(0.05)
            assert json.loads(ready.read_text())["pid"] == process.pid
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        ready.unlink(missing_ok=True)


async def _runs(text: str, folder: Path) -> None:
    place = folder / "server"
    place.mkdir()
    async with PreparedServer(place, {"TAILWIRE_CONSOLE": "on"}, "--demo-users") as server:
        (folder / "running").symlink_to(server.data)
        if "tailwire serve" not in text:  # else the block has a server of its own
            (folder / ".tailwire").symlink_to(server.data)
        (folder / "backup").mkdir()
        (folder / "tailwire.toml").touch()
        for part, command in BEFORE.items():
            if part in text:
                text = f"{command}\n{text}"
        own = free_port() if "tailwire serve" in text else server.port
        data = folder / "restored" if "tailwire restore" in text else server.data
        for there, here in (
            ("TAILWIRE_API_KEY=…", f"TAILWIRE_API_KEY={server.api_key}"),
            ("https://chat.example.com", f"http://127.0.0.1:{own}"),
            ("localhost", "127.0.0.1"),
            ("8480", str(own)),
            ("9000", str(free_port())),
            ("9001", str(free_port())),
            ("/var/lib/tailwire", str(data)),
            ("/backup", str(folder / "backup")),
            ("/etc/tailwire.toml", str(folder / "tailwire.toml")),
        ):
            text = text.replace(there, here)
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", PRELUDE + text, cwd=folder, env=_environment(API_KEY=server.api_key),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        assert process.returncode == 0, f"{text}\n{output.decode()}"
