"""Measures the loads of a scene in turn, several times, so that what else the machine does affects all of them alike."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import peers, raw
from benchmarks.neighbour_load import WARM_UP_SECONDS, Load, Scene, latencies

TICKS = os.sysconf("SC_CLK_TCK")
IDLE_SHARE, IDLE_CHECK_SECONDS, MAX_IDLE_WAIT_SECONDS = 0.1, 0.3, 30.0


@dataclass(frozen=True)
class Subject:
    """A scene to be measured.

    Attributes:
        settings: the settings of the server.
        loads: returns the loads; the first is compared with the others.
        fill: fills the database while the server is stopped.
        rounds: the minimum number of rounds.
    """

    settings: dict[str, str]
    loads: Callable[[Scene], list[Load]]
    fill: Callable[[Path], None] | None = None
    rounds: int = 1


@dataclass(frozen=True)
class Row:
    """A row of the table; `ratio` is the ratio of the p99 latencies."""

    name: str
    line: str
    ratio: float


def _busy() -> float:
    # Seconds that all processors have worked since the machine started.
    user, nice, system, _idle, _wait, irq, soft, *_ = map(
        int, Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    )
    return (user + nice + system + irq + soft) / TICKS


@dataclass
class Usage:
    """The use of the processors while the benchmark runs.

    Attributes:
        begun: CPU seconds of all processes since the machine started, when the benchmark began.
        servers: CPU seconds of the measured servers.
    """

    begun: float = field(default_factory=_busy)
    servers: float = 0.0

    def others(self, seconds: float) -> float:
        """Return the share of all processors that other processes used, of the `seconds` that the benchmark has run."""
        own = sum(os.times()[:4])
        return max(0.0, _busy() - self.begun - self.servers - own) / seconds / (os.cpu_count() or 1)


def _wait_until_idle(server: peers.Started) -> None:
    # What a load has left behind, such as uploads that are being completed, is not part of the next measurement.
    end = time.monotonic() + MAX_IDLE_WAIT_SECONDS
    before = server.cpu()
    while time.monotonic() < end:
        time.sleep(IDLE_CHECK_SECONDS)
        before, last = server.cpu(), before
        if before - last < IDLE_SHARE * IDLE_CHECK_SECONDS:
            return


def measure(subject: Subject, rounds: int, usage: Usage) -> list[Row]:
    """Measure a scene, and return its rows.

    Args:
        subject: the scene.
        rounds: the number of rounds, unless the scene needs more.
        usage: counts the CPU time of the server.
    """
    with peers.tailwire(settings=subject.settings, fill=subject.fill) as server:
        scene = Scene(server)
        loads = subject.loads(scene)
        found: list[list[tuple[float, float, float]]] = [[] for _ in loads]
        for load in loads:  # what a server does only once is not measured
            with load.setup() as connection:
                latencies(server, scene.post, load.run, WARM_UP_SECONDS, connection)
        for _ in range(max(rounds, subject.rounds)):
            for load, rows in zip(loads, found, strict=True):
                _wait_until_idle(server)
                with load.setup() as connection:
                    cpu, began = server.cpu(), time.monotonic()
                    took = latencies(server, scene.post, load.run, load.seconds, connection)
                    cpu = (server.cpu() - cpu) / (time.monotonic() - began)
                rows.append((raw.percentile(took, 50) * 1000, raw.percentile(took, 99) * 1000, cpu))
        usage.servers += server.cpu()
    return _rows(loads, found)


def _rows(loads: list[Load], found: list[list[tuple[float, float, float]]]) -> list[Row]:
    rows: list[Row] = []
    first: tuple[float, float] | None = None
    for load, values in zip(loads, found, strict=True):
        p50, p99, cpu = (statistics.median(column) for column in zip(*values, strict=True))
        ratios = f"{p50 / first[0]:.2f} | {p99 / first[1]:.2f}" if first else "|"
        ratio = p99 / first[1] if first else 0.0
        first = first or (p50, p99)
        rows.append(Row(load.name, f"| {load.name} | {p50:.2f} | {p99:.2f} | {ratios} | {cpu:.0%} |", ratio))
    return rows
