"""`python -m benchmarks.instructions COMMIT`: the instructions of hot paths, of this code and of an earlier commit.

Valgrind counts the processor's instructions, so that the figures are the same on a busy machine: of the SDK for each message
that it receives, from a frame's text to the listener, and of the server for each durable send, from the request to the response
and the frame at the receiver. Needs `valgrind` and the repository's history.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import blaster, load, peers, raw
from benchmarks.turns import ROOT, extract
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore, MessageListener, TextMessage

CHUNK = 800
FEW, MANY = 2, 12
"""How many chunks are sent or received in the two counted runs; their difference does not contain the start and the login."""
SENDERS = 16


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


def _send(server: peers.Started, count: int) -> None:
    # Each sender has one message in flight. The receivers are connected.
    api, requests, sockets, receivers = raw.Api(server.port, server.more), [], [], []
    for n in range(SENDERS):
        token, _ = api.login(f"sender{n}")
        frame = api.auth_frame(f"receiver{n}", api.login(f"receiver{n}")[1], f"d{n}")
        receivers += raw.open_sockets(server.port, 1, lambda _, frame=frame: frame, b'"status":"OK"')[0]
        body = {"receiver": f"receiver{n}", "receiverType": "user", "data": {"text": load.text_of(300)}}
        headers = {"appid": api.app_id, "authtoken": token, "resource": "bench"}
        requests.append(raw.request("POST", "/v3/messages", headers, json.dumps(body).encode()))
        sockets.append(raw.tcp(server.port))
    reader = raw.Reader(receivers, load.MARKER)
    for _ in range(count):
        for s, request in zip(sockets, requests, strict=True):
            s.sendall(request)
        for s in sockets:
            raw.read_answer(s)
    while reader.count < count * SENDERS:
        reader.read()


def _instructions_of_sends(source: Path, count: int) -> int:
    with tempfile.TemporaryDirectory(prefix="tailwire-bench-") as folder:
        log = Path(folder) / "log"
        valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={log}"]
        settings = {"PYTHONPATH": f"{source}/src", "PYTHONHASHSEED": "0"}
        with peers.tailwire(settings=settings, under=valgrind) as server:
            _send(server, count)
        found = re.search(r"Collected : (\d+)", log.read_text())
        assert found is not None, log.read_text()
        return int(found[1])


def _instructions_per_send(source: Path) -> float:
    few, many = FEW * CHUNK // SENDERS, MANY * CHUNK // SENDERS
    return (_instructions_of_sends(source, many) - _instructions_of_sends(source, few)) / ((many - few) * SENDERS)


def _instructions_of_receiving(source: Path, chunks: int) -> int:
    environment = {**os.environ, "PYTHONPATH": f"{source}/src", "PYTHONHASHSEED": "0"}
    program = [sys.executable, "-m", "benchmarks.instructions", "--receive", str(chunks)]
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *program]
    done = subprocess.run(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1])


def _instructions_per_message(source: Path) -> float:
    return (_instructions_of_receiving(source, MANY) - _instructions_of_receiving(source, FEW)) / ((MANY - FEW) * CHUNK)


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
        for name, measure in (
            ("received message", _instructions_per_message),
            ("durable send", _instructions_per_send),
        ):
            before, now = measure(Path(folder)), measure(ROOT)
            print(f"instructions for each {name}: {before:,.0f} at {commit[:8]}, {now:,.0f} now: {now / before:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
