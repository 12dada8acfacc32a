"""Start the measured processes on core 0: our server, nats-server, Node's ws. The load runs on core 1."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SERVER_CORE, LOAD_CORE = 0, 1
START_SECONDS = 20.0
DATA = Path(os.environ.get("TAILWIRE_BENCH_FOLDER", HERE.parent))
"""Where servers have their data. A folder in memory shows what a change does to the processor, without the disk."""


def pin_load() -> None:
    """Run this process, which creates the load, on core 1."""
    os.sched_setaffinity(0, {LOAD_CORE})


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@dataclass
class Started:
    """A measured process.

    Attributes:
        port: where it listens.
        more: the content of our server's ready file; of nats-server, its port for TCP.
    """

    process: subprocess.Popen[bytes]
    port: int
    more: dict[str, Any] = field(default_factory=dict)

    def cpu(self) -> float:
        """Return the CPU time used, in seconds, with that of its child processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ticks = 0
        for pid in (str(self.process.pid), *children):
            with suppress(FileNotFoundError):  # a child that has just ended counts in the fields of its parent
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Return the resident memory in bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _pinned(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}), stderr=subprocess.DEVNULL, **options
    )


def _until(condition: Any, seconds: float = START_SECONDS) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise TimeoutError("a peer did not start")


def _listens(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _environment(settings: dict[str, str] | None) -> dict[str, str]:
    # Without rate limits.
    return {
        **os.environ,
        "TAILWIRE_CONNECTIONS_PER_ADDRESS": "0",
        "TAILWIRE_UNAUTHENTICATED_PER_ADDRESS": "0",
        "TAILWIRE_SENDS_PER_MINUTE": "0",
        "TAILWIRE_REQUESTS_PER_MINUTE": "0",
        "TAILWIRE_LOGINS_PER_MINUTE": "0",
        "TAILWIRE_CORE_PER_MINUTE": "0",
        "TAILWIRE_STANDARD_PER_MINUTE": "0",
        "TAILWIRE_UPGRADES_PER_SECOND": "0",
        "TAILWIRE_AUTH_DEADLINE": "60",
        "TAILWIRE_SILENCE_LIMIT": "600",
        **(settings or {}),
    }


@contextmanager
def tailwire(
    script: str = "",
    fill: Callable[[Path], None] | None = None,
    settings: dict[str, str] | None = None,
    under: Sequence[str] = (),
) -> Iterator[Started]:
    """Start our server without rate limits, with its data on a local disk.

    Args:
        script: the path of a program that runs the server and takes the arguments of `tailwire serve`; "" for our own.
        fill: fills the database file while the server is stopped.
        settings: additional `TAILWIRE_*` settings, or other variables of the environment.
        under: the program that runs the server, with its arguments, such as Valgrind.
    """
    with tempfile.TemporaryDirectory(prefix="tailwire-bench-", dir=DATA) as folder:
        ready = Path(folder) / "ready.json"
        environment = _environment(settings)
        program = [script] if script else ["-m", "tailwire.cli.main"]
        serve = ["serve", "--data", folder, "--port", "0", "--ready-file", str(ready)]
        command = [*under, sys.executable, *program, *serve]
        ready_values: dict[str, Any] = {}
        if fill is not None:
            with _ended(_pinned([*command, "--demo-users"], env=environment)):
                _until(ready.exists)
                ready_values = json.loads(ready.read_text())
            fill(Path(folder) / "tailwire.db")
            ready.unlink()
        process = _pinned([*command, "--demo-users"], env=environment)
        with _ended(process):
            _until(ready.exists, START_SECONDS * (10 if under else 1))
            ready_values |= json.loads(ready.read_text())
            yield Started(process, int(ready_values["url"].rpartition(":")[2]), ready_values)


@contextmanager
def several(count: int, settings: dict[str, str]) -> Iterator[list[Started]]:
    """Start some of our servers on one PostgreSQL database, with one data folder. They may run on all cores."""
    with tempfile.TemporaryDirectory(prefix="tailwire-bench-", dir=DATA) as folder, ExitStack() as stack:
        started: list[Started] = []
        for number in range(count):
            ready = Path(folder) / f"ready-{number}.json"
            command = [sys.executable, "-m", "tailwire.cli.main", "serve", "--data", f"{folder}/data", "--port", "0"]
            process = subprocess.Popen(
                [*command, "--ready-file", str(ready)], env=_environment(settings), stderr=subprocess.DEVNULL,
                preexec_fn=lambda: os.sched_setaffinity(0, range(os.cpu_count() or 1)),
            )  # fmt: skip
            stack.enter_context(_ended(process))
            _until(ready.exists)
            ready_values = json.loads(ready.read_text())
            ready_values = {**(started[0].more if started else {}), **ready_values}
            started.append(Started(process, int(ready_values["url"].rpartition(":")[2]), ready_values))
        yield started


@contextmanager
def nats(*, jetstream: bool = False) -> Iterator[Started]:
    """Start nats-server with a WebSocket port; with JetStream it syncs each message to the disk.

    It may keep a gigabyte for a slow client, so that it never closes one of the benchmark's.
    """
    with tempfile.TemporaryDirectory(prefix="tailwire-bench-", dir=DATA) as folder:
        port, ws_port = free_port(), free_port()
        config = f'port: {port}\nhost: 127.0.0.1\nmax_pending: 1GB\nwrite_deadline: "60s"\nwebsocket {{ port: {ws_port}, host: 127.0.0.1, no_tls: true }}\n'
        if jetstream:
            config += f'jetstream {{ store_dir: "{folder}", sync_interval: always }}\n'
        file = Path(folder) / "nats.conf"
        file.write_text(config)
        process = _pinned(
            [str(Path(sys.executable).parent / "nats-server"), "-c", str(file)], stdout=subprocess.DEVNULL
        )
        with _ended(process):
            _until(lambda: _listens(port) and _listens(ws_port))
            yield Started(process, ws_port, {"tcp": port})


@contextmanager
def node_ws() -> Iterator[Started]:
    """Start bare Node ws."""
    folder = HERE / "node"
    if not (folder / "node_modules").exists():
        npm = shutil.which("npm") or "npm"
        subprocess.run([npm, "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
    port = free_port()
    process = _pinned([shutil.which("node") or "node", str(folder / "server.js"), str(port)], stdout=subprocess.PIPE)
    with _ended(process):
        _until(lambda: _listens(port))
        yield Started(process, port)


@contextmanager
def bare() -> Iterator[Started]:
    """Start the bare server of `benchmarks.bare`."""
    port = free_port()
    process = _pinned([sys.executable, "-m", "benchmarks.bare", str(port)])
    with _ended(process):
        _until(lambda: _listens(port))
        yield Started(process, port)
