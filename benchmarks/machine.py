"""Duration of a machine step, and of `import tailwire` in a new interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks import peers


def _transitions() -> dict[str, float]:
    from tailwire.sdk.connection import inputs as i
    from tailwire.sdk.connection.machine import step
    from tailwire.sdk.connection.state import AppState, State

    state, _ = step(State(), i.LoggedIn(), 0.0, 0.5)
    up, _ = step(state, i.AttemptSucceeded(1), 0.1, 0.5)
    measured = {}
    for name, before, happened in (
        ("heartbeat timer", up, i.TimerFired(14.0)),
        ("app to the background", up, i.AppStateChanged(AppState.BACKGROUND)),
        ("pong", up, i.PongReceived(1)),
    ):
        begin = time.perf_counter()
        for _ in range(20_000):
            step(before, happened, 15.2, 0.5)
        measured[name] = (time.perf_counter() - begin) / 20_000 * 1e6
    return measured


def _import(code: str) -> float:
    took = []
    for _ in range(15):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        took.append(time.perf_counter() - begin)
    return statistics.median(took) * 1000


def run() -> list[str]:
    """Run the benchmark, and return the lines of its table."""
    peers.pin_load()
    bare = _import("pass")
    rows = {
        "`import tailwire`": _import("import tailwire"),
        "`from tailwire import ChatClient`": _import("from tailwire import ChatClient"),
        "`import websockets.asyncio.client, httpx2` (limit: its dependencies)": _import(
            "import websockets.asyncio.client, httpx2"
        ),
    }
    lines = ["### The connection machine, and importing", "", "| transition | µs |", "| --- | --- |"]
    lines += [f"| {name} | {us:.1f} |" for name, us in _transitions().items()]
    lines += [
        "",
        "| import, in a fresh interpreter | ms more than an empty one | of the goal of 150 ms |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {name} | {ms - bare:.0f} | {(ms - bare) / 150:.2f} |" for name, ms in rows.items()]
    return lines
