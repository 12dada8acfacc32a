"""`make fuzz`: run each target with coverage guidance, from the corpus in the repository; a find is a file to keep.

python -m fuzz [--seconds 60] [--runs N] [TARGET …]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
MAX_INPUT_BYTES = 4096
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # durability is not needed


def run_target(target: str, arguments: list[str]) -> None:
    """Run one target in this process with arguments of libFuzzer; the process exits at its end."""
    import logging

    import atheris

    logging.disable(logging.CRITICAL)

    with atheris.instrument_imports(include=["tailwire"], enable_loader_override=False):
        from fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *arguments], TARGETS[target])
    atheris.Fuzz()


def main() -> int:
    """Run the command, and return its exit code: 1 if a target failed."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=float, default=60.0, help="in all (60)")
    parser.add_argument("--runs", type=int, default=0, help="executions of each target, instead of a time")
    parser.add_argument("--seed", type=int, default=0, help="the same seed takes the same way; 0: another each time")
    args = parser.parse_args()
    names = args.targets or [p.name for p in sorted((HERE / "corpus").iterdir()) if p.is_dir()]
    if importlib.util.find_spec("atheris") is None:
        print("fuzzing: atheris is not there for this platform; `make test` runs the corpus")
        return 0
    failed, total = [], 0
    for name in names:
        with tempfile.TemporaryDirectory() as found, tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            limit = (
                [f"-runs={args.runs}"] if args.runs else [f"-max_total_time={max(1, int(args.seconds / len(names)))}"]
            )
            command = [
                sys.executable,
                "-m",
                "fuzz",
                "--one",
                name,
                *limit,
                f"-max_len={MAX_INPUT_BYTES}",
                "-timeout=20",
            ]
            command += [
                "-artifact_prefix=" + str(HERE / "found") + "-",
                "-print_final_stats=1",
                "-rss_limit_mb=2048",
                f"-seed={args.seed}",
            ]
            command += [found, str(HERE / "corpus" / name)]
            environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "PYTHONWARNINGS": "ignore"}
            # libFuzzer ends its process without Python's exit handlers: what the target writes is removed here.
            environment["TMPDIR"] = folder
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment)
        runs = re.findall(r"number_of_executed_units: (\d+)", done.stderr)
        covered = re.findall(r"cov: (\d+)", done.stderr)
        total += int(runs[-1]) if runs else 0
        print(
            f"{name:13} {int(runs[-1]) if runs else 0:>10,} executions, {covered[-1] if covered else '?'} edges",
            flush=True,
        )
        if done.returncode:
            failed.append(name)
            print(done.stdout[-3000:], done.stderr[-3000:])
    print(f"{'in all':13} {total:>10,} executions" + (f", failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        run_target(sys.argv[2], sys.argv[3:])
    sys.exit(main())
