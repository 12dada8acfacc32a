"""Every benchmark runs to its end with small numbers, so that a change of the code that it uses is noticed.

The figures of such a run say nothing: `make bench` measures.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from benchmarks.__main__ import NAMES
from benchmarks.neighbours import SCENES

from sizes import only_in_full

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.thorough,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="the load generator needs epoll, and processors to pin to"),
    only_in_full("nothing else: a benchmark that no longer runs harms no user"),
]

# The numbers that make a benchmark short, by module.
SMALL: dict[str, dict[str, Any]] = {
    "fanout": {"fanout.SOCKETS": 20, "fanout.SECONDS": 0.3, "fanout.IN_FLIGHT": [1, 2], "fanout.ROUNDS": 1},
    "connections": {"connections.COUNT": 100},
    "sends": {"sends.SENDERS": 4, "sends.SECONDS": 0.3},
    "databases": {"databases.SENDERS": [2], "databases.TURNS": 1, "databases.SECONDS": 0.3, "sends.SECONDS": 0.3},
    "servers": {"servers.SERVERS": [1, 2], "servers.SENDERS": 4, "servers.SECONDS": 0.3, "servers.ROUNDS": 1},
    "targets": {
        "targets.ROUNDS": 1, "targets.SENDERS": 4, "targets.SOCKETS": 20, "targets.IN_FLIGHT": 2, "targets.SECONDS": 0.3,
        "targets.PACED_SECONDS": 4.0, "targets.VICTIMS": 1, "databases.SECONDS": 0.3, "servers.SECONDS": 0.3,
    },
    "overload": {
        "overload.USERS": 64, "overload.SENDERS_AT_ONCE": 8, "overload.MAXIMUM_SECONDS": 0.5,
        "overload.OVERLOAD_SECONDS": 1.0, "overload.AFTER_SECONDS": 1.0,
    },
    "reconnect": {"reconnect.CLIENTS": 3, "reconnect.OUTAGES": [1.0]},
    "catchup": {"catchup.MISSED": 300, "catchup.SENDERS": 4},
    "client": {"client.IDLE": 5},
    "machine": {},
    "scale": {
        "scale.FEW": 3_000, "scale.MANY": 6_000, "scale.GROUPS": 100, "scale.MEMBERS": 200,
        "large_files.FILE_BYTES": 4 * 2**20, "scale.FILE_BYTES": 4 * 2**20,
    },
    "lists": {"lists.TIMES": 1},
    "files_on_s3": {
        "large_files.FILE_BYTES": 4 * 2**20, "files_on_s3.FILE_BYTES": 4 * 2**20, "files_on_s3.TIMES": 1,
        "files_on_s3.AT_ONCE": 2,
    },
    "terminal": {"terminal.MESSAGES": 300, "terminal.PAGES": 3},
}  # fmt: skip
SMALL_SCENES = {
    "neighbours.BOMBS": 2, "neighbours.UPLOADS": 1, "neighbours.CROWD": 40, "neighbours.SLOW_READERS": 5,
    "neighbours.SILENT_SOCKETS": 40, "neighbours.RECONNECTING": 40, "neighbours.GUESSERS": 2, "neighbours.GUESSES": 4,
    "neighbours.SLOW_BODIES": 20, "neighbours.MAX_CONNECTIONS": 30, "push_load.DEVICES": 100,
}  # fmt: skip
ROWS = "200000"  # the last page by cursor is that of the last of 1,000 names

DRIVER = """
import importlib, json, sys
name, constants, scene = json.loads(sys.argv[1])
for place, value in constants.items():
    module, _, constant = place.partition(".")
    owner = importlib.import_module(f"benchmarks.{module}")
    assert hasattr(owner, constant), place
    setattr(owner, constant, tuple(value) if isinstance(value, list) else value)
benchmark = importlib.import_module(f"benchmarks.{name}")
print("\\n".join(benchmark.run([scene], 1) if scene else benchmark.run()))
"""


@contextmanager
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let only one test at a time install Node's packages, which are in the repository's folder."""
    with (tmp_path_factory.getbasetemp().parent / "benchmarks.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_briefly(name: str, constants: dict[str, Any], folder: Path, scene: str = "") -> list[list[str]]:
    """Run a benchmark in a process of its own, and return the rows of its first table, the head first."""
    environment = {
        **os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "ROWS": ROWS, "TAILWIRE_BENCH_ROUND_SECONDS": "0.5",
        "TAILWIRE_BENCH_FOLDER": str(folder),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps([name, constants, scene])], cwd=ROOT, env=environment,
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    lines = done.stdout.splitlines()
    assert lines[0].startswith("### "), done.stdout
    tables = [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in group]
        for is_row, group in groupby(lines, lambda line: line.startswith("|"))
        if is_row
    ]
    assert tables, done.stdout
    for table in tables:
        assert len(table) > 2, done.stdout
        assert {len(row) for row in table} == {len(table[0])}, done.stdout
    assert "nan" not in done.stdout.lower().split(), done.stdout
    return tables[0]


def test_every_benchmark_has_small_numbers():
    assert {*SMALL, "neighbours"} == set(NAMES)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_benchmark_runs_to_its_end(name, tmp_path, tmp_path_factory):
    if name == "terminal":
        pytest.importorskip("textual", reason="textual is not installed: `make check` installs it")
    if name in ("fanout", "connections"):
        with alone(tmp_path_factory):
            run_briefly(name, SMALL[name], tmp_path)
    else:
        run_briefly(name, SMALL[name], tmp_path)


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_scene_of_the_effect_on_others_is_measured(scene, tmp_path):
    rows = run_briefly("neighbours", SMALL_SCENES, tmp_path, scene)
    figures = rows[2:]
    assert len(figures) > 1
    assert all(float(p50) > 0 and float(p99) > 0 for _, p50, p99, *_ in figures)
