"""The compiled load generator: builds it, and runs it on sockets that were opened and authenticated before."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import peers

MARKER = b"`"
"""Begins the text of each message; occurs in it once, so that messages can be counted in a stream of bytes."""
STAMP = b"0" * 16
"""Follows the marker; the load writes the time of the send there."""


@cache
def _program() -> Path:
    if sys.platform != "linux":
        raise SystemExit("These benchmarks need Linux: the load generator waits for its sockets with epoll.")
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit("These benchmarks need a C compiler (cc): the load generator is compiled.")
    program = Path(tempfile.mkdtemp(prefix="tailwire-load-")) / "load"
    subprocess.run([compiler, "-O2", "-o", str(program), str(Path(__file__).with_name("load.c"))], check=True)
    return program


def text_of(size: int) -> str:
    """Return a text of `size` bytes that begins with the marker and room for the time of the send."""
    return (MARKER + STAMP).decode() + "x" * (size - len(MARKER) - len(STAMP))


@dataclass(frozen=True, slots=True)
class Result:
    """The measurements of a run.

    Attributes:
        seconds: how long the run took.
        messages: messages that were sent and reached all their receivers.
        deliveries: messages that receivers got, all receivers together.
        bytes: bytes that receivers got.
        server_cpu: seconds of CPU of the server.
        load_cpu: seconds of CPU of the load generator; close to `seconds` means that it was the limit.
        p50: median of the milliseconds from a send to its delivery; without receivers, to its answer.
        p99: 99th percentile of the same times.
    """

    seconds: float
    messages: int
    deliveries: int
    bytes: int
    server_cpu: float
    load_cpu: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.messages / self.seconds

    @property
    def by_cpu(self) -> float:
        """Messages per second of the server's CPU."""
        return self.messages / max(self.server_cpu, 0.01)

    @property
    def load_share(self) -> float:
        """The part of its core that the load generator used."""
        return self.load_cpu / self.seconds


def run(
    servers: peers.Started | Sequence[peers.Started],
    mode: str,
    answer: str,
    *,
    receivers: Sequence[socket.socket],
    senders: Sequence[socket.socket],
    requests: Sequence[bytes],
    seconds: float,
) -> Result:
    """Keep one message of each sender in flight, and return the measurements.

    Args:
        servers: the servers whose CPU time is measured.
        mode: `fanout` or `sends` (see load.c).
        answer: what answers a send: `http`, `pong` or `msg`.
        receivers: the sockets on which the messages arrive.
        senders: the sockets on which they are sent.
        requests: one request for all senders, or one for each; each contains the marker and the stamp.
        seconds: how long messages are sent.

    Raises:
        ValueError: the requests do not all have the stamp at the same place.
        RuntimeError: the load generator failed.
    """
    measured_servers = [servers] if isinstance(servers, peers.Started) else servers
    sockets = [*receivers, *senders]
    for s in senders:
        s.setblocking(True)
    with tempfile.TemporaryDirectory(prefix="tailwire-load-") as folder:
        lines = [f"mode {mode}", f"seconds {seconds}", f"marker {MARKER[0]}", f"answer {answer}"]
        lines.append(f"stamp {requests[0].index(MARKER + STAMP) + 1}")
        if len({r.index(MARKER + STAMP) for r in requests}) > 1:
            raise ValueError("the stamp has to be at the same place in all requests")
        for name, group in (("receivers", receivers), ("senders", senders)):
            lines.append(" ".join([name, *(str(s.fileno()) for s in group)]))
        for n, request in enumerate(requests):
            (Path(folder) / f"{n}").write_bytes(request)
            lines.append(f"request {folder}/{n}")
        spec = Path(folder) / "spec"
        spec.write_text("\n".join(lines) + "\n")
        with subprocess.Popen(
            [str(_program()), str(spec)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[s.fileno() for s in sockets],
            preexec_fn=lambda: os.sched_setaffinity(0, {peers.LOAD_CORE}),
        ) as load:
            assert load.stdin is not None
            assert load.stdout is not None
            if load.stdout.readline() != b"ready\n":
                raise RuntimeError("the load generator did not start")
            before = sum(server.cpu() for server in measured_servers)
            load.stdin.write(b"go\n")
            load.stdin.flush()
            line = load.stdout.readline()
            used = sum(server.cpu() for server in measured_servers) - before
            if not line:
                raise RuntimeError("the load generator failed")
            measured: dict[str, Any] = json.loads(line)
    return Result(
        measured["seconds"], measured["messages"], measured["deliveries"], measured["bytes"], used,
        measured["cpu"], measured["p50"], measured["p99"],
    )  # fmt: skip
