"""`make rights`: run seeds. Of each violated rule, the first plan is shrunk and printed as a test."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import NamedTuple

from rights.plan import Plan, make_plan
from rights.run import Deviation, Report, simulate
from rights.shrink import as_test, fails, shrink


def _run(job: tuple[int, int, frozenset[str], bool]) -> tuple[int, Report, Failure | None]:
    seed, length, ignore, all_views = job
    try:
        return seed, simulate(make_plan(seed, length), ignore, all_views=all_views), None
    except Deviation as e:
        return seed, Report(), Failure(seed, e.rule, str(e), e.number)


class Failure(NamedTuple):
    """A failed run: its seed, the violated rule, what was found, and after which step (-1: at the end)."""

    seed: int
    rule: str
    what: str
    number: int

    def plan(self, length: int) -> Plan:
        """Return the steps until the failure. At their end all lists are compared."""
        plan = make_plan(self.seed, length)
        return plan if self.number < 0 else replace(plan, steps=plan.steps[: self.number + 1])


def _summary(reports: list[Report]) -> str:
    """Describe how many operations succeeded, in all and of each kind."""
    requests: Counter[str] = sum((r.requests for r in reports), Counter())
    done: Counter[str] = sum((r.done for r in reports), Counter())
    each = ", ".join(f"{what} {done[what]}/{count}" for what, count in requests.most_common())
    looks = sum(r.looks for r in reports)
    return f"{done.total()} of {requests.total()} operations succeeded, {looks} lists were looked at: {each}"


def main() -> int:
    """Run the command, and return its exit code: 1 if a run failed."""
    parser = argparse.ArgumentParser(prog="make rights")
    parser.add_argument("--seeds", type=int, default=200, help="how many (200)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--length", type=int, default=60, help="steps of each (60)")
    parser.add_argument("--ignore", action="append", default=[], help="a rule whose deviations are passed over")
    parser.add_argument("--all-views", action="store_true", help="compare all lists of all users after each step")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    ignore = frozenset(args.ignore)
    begin = time.monotonic()
    jobs = [(seed, args.length, ignore, args.all_views) for seed in range(args.first, args.first + args.seeds)]
    failures: dict[str, list[Failure]] = {}
    reports: list[Report] = []
    with ProcessPoolExecutor(args.jobs) as pool:
        for number, (seed, report, failure) in enumerate(pool.map(_run, jobs, chunksize=5), 1):
            reports.append(report)
            if failure is not None:
                failures.setdefault(failure.rule, []).append(failure)
                print(f"\nseed {seed}: {failure.what}", flush=True)
            print(f"\r{number} runs in {time.monotonic() - begin:.0f} s", end="", flush=True)
    print(f"\n{_summary(reports)}")
    for rule, failed_runs in sorted(failures.items()):
        seeds = [failure.seed for failure in failed_runs]
        print(f"\n{rule}: {len(seeds)} seeds, among them {seeds[:5]}; shrinking {seeds[0]} …", flush=True)
        plan = shrink(failed_runs[0].plan(args.length), rule, ignore)
        failed = fails(plan, rule, ignore)
        if failed is not None:
            print(as_test(plan, failed))
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        simulate(make_plan(0, 0))  # makes the database that all runs begin with
    except AssertionError as e:
        print(e)
    sys.exit(main())
