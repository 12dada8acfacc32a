"""`make simulate`: run the plans of many seeds, shorten the first three that fail, and print each as a test.

With `--servers` it simulates several servers on one database instead (see `servers`); failures are then only printed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial

from tailwire.testing.simulation.plan import make_plan
from tailwire.testing.simulation.run import Report, RunFailed, simulate
from tailwire.testing.simulation.shrink import as_test, shrink

SEEDS_PER_BATCH = 25


def run_batch(seeds: list[int]) -> list[tuple[int, Report | None, str, str]]:
    """Run the plans of these seeds, one after the other.

    Returns:
        For each seed, in order: the seed, its report, the broken rule and the message. The report is None if the plan
        failed; the rule and the message are "" if it passed.
    """
    results: list[tuple[int, Report | None, str, str]] = []
    for seed in seeds:
        try:
            results.append((seed, simulate(make_plan(seed)), "", ""))
        except RunFailed as failed:
            results.append((seed, None, failed.rule, str(failed)))
    return results


def run_servers(count: int, seeds: list[int]) -> list[tuple[int, Report | None, str, str]]:
    """Run these seeds with `count` servers, one after the other.

    Returns:
        For each seed, in order: the seed, None, the name of the exception and the message; both are "" if it passed.
    """
    from tailwire.testing.simulation import servers  # needs asyncpg, which the other simulation does not

    results: list[tuple[int, Report | None, str, str]] = []
    for seed in seeds:
        try:
            servers.play(seed, count)
        except Exception as e:  # noqa: BLE001 - whatever it is, the seed has failed
            results.append((seed, None, type(e).__name__, f"{type(e).__name__}: {e}"))
        else:
            results.append((seed, None, "", ""))
    return results


def main() -> int:
    """Run the command, and return its exit code: 1 if a seed failed, otherwise 0."""
    parser = argparse.ArgumentParser(prog="make simulate")
    parser.add_argument("--seeds", type=int, default=1000, help="number of seeds (1000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after this long; 0: after all seeds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--servers", type=int, default=0, help="simulate this many servers on one database instead")
    parser.add_argument("--trace", action="store_true", help="print the trace of the first seed")
    args = parser.parse_args()
    if args.servers == 1 or args.servers < 0:
        parser.error("--servers: give at least 2")
    if args.trace:
        return _trace(args.first)
    begin = time.monotonic()
    end = begin + args.minutes * 60 if args.minutes else float("inf")
    batches = [
        list(range(n, min(n + SEEDS_PER_BATCH, args.first + args.seeds)))
        for n in range(args.first, args.first + args.seeds, SEEDS_PER_BATCH)
    ]
    run = partial(run_servers, args.servers) if args.servers else run_batch
    runs, hours, failures = 0, 0.0, []
    with ProcessPoolExecutor(args.jobs) as pool:
        waiting = {pool.submit(run, batch) for batch in batches}
        for future in as_completed(waiting):
            for seed, report, rule, what in future.result():
                runs += 1
                if rule:
                    failures.append((seed, rule))
                    print(f"\nseed {seed}: {what}", flush=True)
                elif report is not None:
                    hours += report.seconds / 3600
            minutes = (time.monotonic() - begin) / 60
            length = "" if args.servers else f", {hours:.0f} simulated hours"
            print(f"\r{runs} runs{length} in {minutes:.1f} min, {len(failures)} failed", end="")
            sys.stdout.flush()
            if time.monotonic() > end:
                pool.shutdown(cancel_futures=True)
                break
    print()
    if args.servers:
        return 1 if failures else 0
    print(f"{hours / max((time.monotonic() - begin) / 60, 1e-9):.0f} simulated hours per minute")
    for seed, rule in failures[:3]:
        _explain(seed, rule)
    return 1 if failures else 0


def _explain(seed: int, rule: str) -> None:
    print(f"\nshrinking seed {seed} …", flush=True)
    plan = shrink(make_plan(seed), rule)
    try:
        simulate(plan)
    except RunFailed as failed:
        print(as_test(plan, failed))


def _trace(seed: int) -> int:
    try:
        print(simulate(make_plan(seed)))
    except RunFailed as failed:
        for line in failed.trace:
            print(*line)
        print(failed)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
