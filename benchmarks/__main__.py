"""`python -m benchmarks [NAME …]`: run benchmarks and write RESULTS.md; with names, replace only their sections."""

from __future__ import annotations

import argparse
import datetime
import importlib
import platform
import re
import subprocess
import sys
from pathlib import Path

NAMES = (
    "fanout",
    "connections",
    "sends",
    "databases",
    "servers",
    "targets",
    "overload",
    "neighbours",
    "reconnect",
    "catchup",
    "client",
    "machine",
    "scale",
    "lists",
    "files_on_s3",
    "terminal",
)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def main() -> int:
    """Run each benchmark in a separate process, so that none inherits another's memory."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run benchmarks and write RESULTS.md.")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of these only the sections are replaced; all by default: {', '.join(NAMES)}",
    )
    parser.add_argument(
        "--one", action="store_true", help="run one benchmark in this process, and only print its section"
    )
    args = parser.parse_args()
    for name in set(args.names) - set(NAMES):
        parser.error(f"there is no benchmark {name!r}; choose from {', '.join(NAMES)}")
    if args.one:
        print("\n".join(importlib.import_module(f"benchmarks.{args.names[0]}").run()))
        return 0
    names = args.names or list(NAMES)
    sections = []
    for name in names:
        print(f"... {name}", file=sys.stderr)
        done = subprocess.run([sys.executable, "-m", "benchmarks", name, "--one"], stdout=subprocess.PIPE, check=True)
        sections.append(done.stdout.decode().strip())
        print(sections[-1], "\n")
    file = Path(__file__).with_name("RESULTS.md")
    head = (
        "# Results\n\nMade by `make bench`: each figure with a peer or a limit, measured in the same run. "
        "Servers run on core 0,\nthe load on core 1. Absolute figures depend on this machine; compare the ratios.\n\n"
        f"{datetime.date.today()}, {_processor()}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}.\n\n"
    )
    if names != list(NAMES):  # replace existing sections
        old = re.split(r"(?m)^(?=### )", file.read_text())[1:]
        heads = {section.partition("\n")[0]: section for section in sections}
        sections = [heads.pop(section.partition("\n")[0], section).strip() for section in old]
        sections += heads.values()  # append new ones
    file.write_text(head + "\n\n".join(sections) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
