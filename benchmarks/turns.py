"""`python -m benchmarks.turns COMMIT`: measure this code and an earlier commit's in turns, with the same load.

The server's hot paths, and the SDK's from the socket to a listener; figures per second of CPU time, so that other processes on
the machine matter less. Needs the repository's history; what the earlier code needs has to be installed.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import client, fanout, load, peers, sends

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 3

Figures = dict[str, float]


def _sends() -> Figures:
    measured, reads = sends.measure_ours()
    return {
        "durable sends per second of CPU, 32 senders": measured.by_cpu,
        "durable sends per second": measured.rate,
        "a durable send to its delivery, p50, per ms": 1 / measured.p50,
        "history of 30 messages, reads per second": reads,
    }


def _fanout() -> Figures:
    results: fanout.Results = {}
    fanout.measure_ours(results)

    def by_cpu(runs: list[load.Result]) -> float:
        return sum(r.deliveries for r in runs) / max(sum(r.server_cpu for r in runs), 0.01)

    return {f"deliveries per second of CPU, {k} in flight": by_cpu(runs) for k, runs in results.items()}


def _client() -> Figures:
    # Each with its own server, which has encoded the messages before.
    with peers.tailwire(str(Path(__file__).with_name("blaster.py"))) as server:
        rates = [asyncio.run(client.measure_sdk(server)) for _ in range(3)]
    return {"messages per second from the socket to a listener of the SDK": statistics.median(rates)}


SCENES: dict[str, Callable[[], Figures]] = {"sends": _sends, "fanout": _fanout, "client": _client}


def _run_scene(scene: str, source: Path) -> Figures:
    environment = {**os.environ, "PYTHONPATH": f"{source}/src"}
    command = [sys.executable, "-m", "benchmarks.turns", "--scene", scene]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    figures: Figures = json.loads(done.stdout)
    return figures


def extract(commit: str, folder: Path) -> None:
    """Write the sources of an earlier commit to a folder."""
    archive = subprocess.run(["git", "archive", commit, "src"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)


def main() -> int:
    """Run the command."""
    if sys.argv[1:2] == ["--scene"]:
        peers.pin_load()
        print(json.dumps(SCENES[sys.argv[2]]()))
        return 0
    commit, scenes = sys.argv[1], sys.argv[2:] or list(SCENES)
    with tempfile.TemporaryDirectory(prefix="tailwire-earlier-") as folder:
        earlier = Path(folder)
        extract(commit, earlier)
        print(
            f"| this code and {commit[:8]}, {ROUNDS} turns each | earlier | now | ratio of medians | ratios of turns |"
        )
        print("| --- | --- | --- | --- | --- |")
        for scene in scenes:
            rounds: list[tuple[Figures, Figures]] = []
            for number in range(ROUNDS):
                if number % 2:
                    now = _run_scene(scene, ROOT)
                    rounds.append((_run_scene(scene, earlier), now))
                else:
                    before = _run_scene(scene, earlier)
                    rounds.append((before, _run_scene(scene, ROOT)))
            for name in rounds[0][0]:
                before, now = ([turn[i][name] for turn in rounds] for i in (0, 1))
                ratios = sorted(b / a for a, b in zip(before, now, strict=True))
                median = statistics.median(now) / statistics.median(before)
                print(
                    f"| {name} | {statistics.median(before):,.4g} | {statistics.median(now):,.4g} | {median:.2f} | "
                    f"{ratios[0]:.2f} to {ratios[-1]:.2f} |",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
