"""`make mutants`: put faults into a part of the code, and print those that no test notices."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from mutants.constants import Constants
from mutants.equivalents import equivalents, of
from mutants.mutate import Mutated, mutants, mutate
from mutants.parts import PARTS, USING
from mutants.running import SLACK_SECONDS, SLOWER, Trial, begin, ended, measure

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/tailwire"
KNOWN = ROOT / ".mutants.json"
"""The results of earlier runs, by what the module, the mutant and the tests contained."""
IMPORTED = (
    "pytest",
    "hypothesis",
    "msgspec",
    "sqlalchemy",
    "alembic.command",
    "httpx2",
    "websockets.asyncio.client",
    "uvicorn",
    "starlette.applications",
    "jwt",
    "prometheus_client",
)


class Candidate(NamedTuple):
    """A mutant of a file, what it changes, and its key in the known results."""

    path: Path
    mutated: Mutated
    key: str


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:24]


def candidates(part: str, *, in_sql: bool = False) -> list[Candidate]:
    """Return all mutants of a part except the equivalent ones, or those within SQL alone."""
    tests = [
        path.read_text(encoding="utf-8")
        for tests in PARTS[part]
        for path in _python_files(ROOT / tests.partition("::")[0])
    ]
    of_tests = _digest(*tests)
    left_out = equivalents()
    found = []
    for path in _python_files(PACKAGE / part):
        source, module = path.read_text(encoding="utf-8"), path.relative_to(PACKAGE).as_posix()
        for mutant in mutants(source):
            mutated = mutate(source, mutant)
            if in_sql and not mutated.in_sql:
                continue
            if of(module, mutated) not in left_out:
                found.append(Candidate(path, mutated, _digest(source, of_tests, f"{mutant.place} {mutant.change}")))
    return found


def _python_files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")


class Run:
    """A run over the mutants of one part."""

    def __init__(self, part: str, jobs: int, until: float) -> None:
        self.part = part
        self._jobs = jobs
        self._until = until
        self.known: dict[str, str] = json.loads(KNOWN.read_text()) if KNOWN.exists() else {}
        self.results: dict[int, str] = {}

    def go(self, chosen: list[Candidate]) -> None:
        """Try the mutants, except those whose result is known, until the time is over."""
        for number, candidate in enumerate(chosen):
            if candidate.key in self.known:
                self.results[number] = self.known[candidate.key]
        tests = PARTS[self.part]
        left = [number for number in range(len(chosen)) if number not in self.results]
        if not left:
            return
        watched = PACKAGE / USING.get(self.part, self.part)
        reach, constants = measure(tests, watched), Constants(watched)
        running: list[Trial] = []
        while running or (left and time.monotonic() < self._until):
            while left and len(running) < self._jobs and time.monotonic() < self._until:
                number = left.pop(0)
                path, mutated, key = chosen[number]
                users = () if mutated.first else constants.users(constants.at(str(path), mutated.line))
                order = reach.of(str(path), mutated.first, mutated.last, users)
                if not order:  # no test executes the statement
                    self.results[number] = self.known[key] = "survived"
                    continue
                seconds = sum(reach.seconds[test] for test in order) * SLOWER + SLACK_SECONDS
                longest = max(reach.seconds[test] for test in order) * SLOWER + SLACK_SECONDS / 2
                running.append(begin(number, _module(path), str(path), mutated.source, tests, seconds, order, longest))
            time.sleep(0.01)
            for trial in list(running):
                if how := ended(trial):
                    running.remove(trial)
                    self.results[trial.number] = self.known[chosen[trial.number].key] = how
                    print(f"\r{self.part}: {len(self.results)} of {len(chosen)}", end="", flush=True)
                    self._save()
        self._save()

    def _save(self) -> None:
        KNOWN.write_text(json.dumps(self.known, indent=0, sort_keys=True))

    def show(self, chosen: list[Candidate]) -> None:
        """Print the mutants that survived, including those of an earlier run."""
        print()
        for number in sorted(self.results):
            path, made, _ = chosen[number]
            if self.results[number] == "survived":
                print(f"{path.relative_to(ROOT)}:{made.line}: in {made.scope or 'the module'}")
                print(f"    {made.before}\n    {made.after}")


def main() -> int:
    """Run the command. Return 1 if the share of caught mutants is below the floor."""
    parser = argparse.ArgumentParser(prog="make mutants")
    parser.add_argument("--part", action="append", choices=sorted(PARTS), help="what to mutate (all)")
    parser.add_argument("--minutes", type=float, default=20.0, help="stop after this long, for each part (20)")
    parser.add_argument("--sample", type=int, default=0, help="how many mutants of a part, drawn at random (0: all)")
    parser.add_argument("--sql", action="store_true", help="only the faults within SQL")
    parser.add_argument("--floor", type=float, default=0.0, help="the least share of caught mutants, in percent (0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    for name in IMPORTED:
        importlib.import_module(name)
    os.chdir(ROOT)
    lines, enough = [], True
    for part in args.part or PARTS:
        chosen = candidates(part, in_sql=args.sql)
        if args.sample and args.sample < len(chosen):
            chosen = random.Random(part).sample(chosen, args.sample)
        run = Run(part, args.jobs, time.monotonic() + args.minutes * 60)
        run.go(chosen)
        run.show(chosen)
        found = Counter(run.results.values())
        tried = found.total()
        share = 100 * (tried - found["survived"]) / max(tried, 1)
        enough &= share >= args.floor
        lines.append(
            f"{part}: {tried} of {len(chosen)} mutants tried, {found['survived']} survived: {share:.1f} % caught"
        )
    print("", *lines, sep="\n")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
