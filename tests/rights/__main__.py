"""`make rights`: runs seeds. A failing one is shrunk and printed as a test."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from rights.plan import make_plan
from rights.run import Deviation, Report, simulate
from rights.shrink import as_test, fails, shrink


def _run(job: tuple[int, int, frozenset[str]]) -> tuple[int, str, str, Report]:
    seed, length, ignore = job
    try:
        return seed, "", "", simulate(make_plan(seed, length), ignore)
    except Deviation as e:
        return seed, e.rule, str(e), Report()


def _summary(reports: list[Report]) -> str:
    """Return the share of requests that succeeded."""
    asked: Counter[str] = sum((r.asked for r in reports), Counter())
    done: Counter[str] = sum((r.done for r in reports), Counter())
    each = ", ".join(f"{what} {done[what]}/{count}" for what, count in asked.most_common())
    looks = sum(r.looks for r in reports)
    return f"{done.total()} of {asked.total()} operations succeeded, {looks} lists were looked at: {each}"


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="make rights")
    parser.add_argument("--seeds", type=int, default=200, help="how many (200)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--length", type=int, default=60, help="steps of each (60)")
    parser.add_argument("--ignore", action="append", default=[], help="a rule whose deviations are passed over")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    ignore = frozenset(args.ignore)
    begin = time.monotonic()
    jobs = [(seed, args.length, ignore) for seed in range(args.first, args.first + args.seeds)]
    failures: dict[str, list[int]] = {}
    reports: list[Report] = []
    with ProcessPoolExecutor(args.jobs) as pool:
        for number, (seed, rule, what, report) in enumerate(pool.map(_run, jobs, chunksize=5), 1):
            reports.append(report)
            if rule:
                failures.setdefault(rule, []).append(seed)
                print(f"\nseed {seed}: {what}", flush=True)
            print(f"\r{number} runs in {time.monotonic() - begin:.0f} s", end="", flush=True)
    print(f"\n{_summary(reports)}")
    for rule, seeds in sorted(failures.items()):
        print(f"\n{rule}: {len(seeds)} seeds, among them {seeds[:5]}; shrinking {seeds[0]} …", flush=True)
        plan = shrink(make_plan(seeds[0], args.length), rule, ignore)
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
