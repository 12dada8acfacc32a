"""`python -m benchmarks.instructions COMMIT`: instructions for each message that the SDK receives, of this code and of an earlier commit.

Valgrind counts the processor's instructions from a frame's text to the listener, so that the figures are the same on a
busy machine. The server runs outside Valgrind. Needs `valgrind` and the repository's history.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import blaster, peers
from benchmarks.turns import ROOT, extract
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore, MessageListener, TextMessage

CHUNK = 800
FEW, MANY = 2, 12
"""How many chunks are received in the two counted runs; their difference does not contain the login."""


class _Counter(MessageListener):
    count = 0

    def on_text_message_received(self, message: TextMessage) -> None:
        self.count += 1


async def _receive(server: peers.Started, chunks: int) -> None:
    settings = AppSettingsBuilder().override_client_host(f"http://127.0.0.1:{server.port}").build()
    async with ChatClient(server.more["app_id"], settings, session_store=MemorySessionStore()) as chat:
        await chat.login("bob", auth_key=server.more["auth_key"])
        await chat.wait_connected(60)
        counter = _Counter()
        chat.add_message_listener("counter", counter)
        # The owner of the driver takes the frames of the socket; where it is kept differs between commits.
        drivers: list[Any] = [o for o in gc.get_objects() if type(o).__module__ == "tailwire.sdk.io.driver"]
        owner = next(d._owner for d in drivers if hasattr(d, "_owner"))
        texts = blaster.texts(CHUNK * chunks)
        for start in range(0, len(texts), CHUNK):
            for text in texts[start : start + CHUNK]:
                owner.frame_came(text)
                owner.room()
            while counter.count < start + CHUNK:
                await asyncio.sleep(0)


def _instructions(source: Path, chunks: int) -> int:
    environment = {**os.environ, "PYTHONPATH": f"{source}/src", "PYTHONHASHSEED": "0"}
    program = [sys.executable, "-m", "benchmarks.instructions", "--receive", str(chunks)]
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *program]
    done = subprocess.run(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1])


def _by_message(source: Path) -> float:
    return (_instructions(source, MANY) - _instructions(source, FEW)) / ((MANY - FEW) * CHUNK)


def main() -> int:
    """Run the command."""
    if sys.argv[1:2] == ["--receive"]:
        peers.pin_load()
        with peers.tailwire() as server:
            asyncio.run(_receive(server, int(sys.argv[2])))
        return 0
    if shutil.which("valgrind") is None:
        print("This needs Valgrind. On Debian and Ubuntu: sudo apt-get install valgrind", file=sys.stderr)
        return 1
    commit = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix="tailwire-earlier-") as folder:
        extract(commit, Path(folder))
        before, now = _by_message(Path(folder)), _by_message(ROOT)
    print(f"instructions for each received message: {before:,.0f} at {commit[:8]}, {now:,.0f} now: {now / before:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
