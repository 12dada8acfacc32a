"""The seeds that are known to find each planted fault, in `fault_seeds.json`. As a program, it records them again.

A test tries the recorded seeds first, because searching for one may take a minute. After a change of the plans or of what a
fault breaks, other seeds find it; then `make thorough` fails, and `PYTHONPATH=tests python -m sim.fault_seeds` records them: it keeps
those that still find their fault, and searches where none does. Named faults are recorded alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from planting import Planter
from sizes import THOROUGH

FILE = Path(__file__).with_suffix(".json")
MAX_SEEDS = 300
Finds = Callable[[int], bool]


def recorded_seeds() -> dict[str, list[int]]:
    """Return the recorded seeds by the fault's name."""
    seeds: dict[str, list[int]] = json.loads(FILE.read_text())
    return seeds


def name_of(plant: Callable[..., None]) -> str:
    """Return the name of a planted fault, as recorded and as the id of its test."""
    return plant.__name__.strip("_")


def search(finds: Finds, seeds: Iterable[int], most: int = 1) -> list[int]:
    """Return the first seeds that find a fault, up to `most`."""
    found: list[int] = []
    for seed in seeds:
        if finds(seed):
            found.append(seed)
            if len(found) == most:
                break
    return found


def require_found(name: str, finds: Finds) -> None:
    """Fail unless a seed finds the fault; in the thorough run, unless every recorded seed does."""
    seeds = recorded_seeds().get(name, [])
    found = search(finds, seeds, len(seeds) if THOROUGH else 1)
    others = found or search(finds, (s for s in range(MAX_SEEDS) if s not in seeds))
    assert others, f"no seed below {MAX_SEEDS} finds it"
    if THOROUGH and (not seeds or found != seeds):
        pytest.fail(f"of {seeds}, recorded for it, {found} find it; {others} do: run python -m sim.fault_seeds {name}")


def _record(names: list[str]) -> None:
    from sim import test_faults_are_found, test_servers

    seeds = recorded_seeds() if FILE.exists() else {}
    known: set[str] = set()
    for plant, finds in (*test_faults_are_found.searches(), *test_servers.searches()):
        name = name_of(plant)
        known.add(name)
        if names and name not in names:
            continue
        with pytest.MonkeyPatch.context() as patch:
            plant(Planter(patch))
            old = seeds.get(name, [])
            seeds[name] = search(finds, old, len(old)) or search(finds, range(MAX_SEEDS))
        print(name, seeds[name], flush=True)
    rows = [f"  {json.dumps(name)}: {json.dumps(seeds[name])}" for name in sorted(known & seeds.keys())]
    FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    _record(sys.argv[1:])
