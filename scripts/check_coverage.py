"""Compare the branch coverage of the pure packages with their floors (`make coverage`).

Only their own tests and the exploration are measured, which takes about a minute. Every statement and branch must be
covered: a branch that no test reaches either gets a test or is removed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "tailwire"
# Percent of statements and branches, by package.
FLOORS = {"sdk/connection": 100.0, "sdk/continuity": 100.0, "server/rules": 100.0, "wire": 100.0}


def package_of(path: Path) -> str:
    """Return the package that a module counts towards: `sdk/io`, `server/rules`, `sync`."""
    parts = path.relative_to(SOURCE).parts
    if len(parts) == 1:
        return "tailwire"
    return "/".join(parts[:2]) if parts[0] in ("sdk", "server") and len(parts) > 2 else parts[0]


def measure_coverage() -> dict[str, float]:
    """Read the data that coverage.py has collected, and return the coverage of each package in percent."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "--quiet", "-o", str(report)]
        subprocess.run(command, cwd=ROOT, check=True)
        files = json.loads(report.read_text(encoding="utf-8"))["files"]
    covered: dict[str, int] = defaultdict(int)
    whole: dict[str, int] = defaultdict(int)
    for name, file in files.items():
        counts, package = file["summary"], package_of((ROOT / name).resolve())
        covered[package] += counts["covered_lines"] + counts["covered_branches"]
        whole[package] += counts["num_statements"] + counts["num_branches"]
    return {package: 100 * covered[package] / count for package, count in sorted(whole.items()) if count}


def main() -> int:
    """Print each package's coverage, and fail if one is below its floor."""
    found, missed = measure_coverage(), []
    for package, floor in FLOORS.items():
        percent = found.get(package, 0.0)
        print(f"{package:20} {percent:6.1f} %   floor {floor:.0f} %")
        if round(percent, 6) < floor:
            missed.append(f"{package} is covered to {percent:.1f} %, its floor is {floor:.0f} %")
    print("\n".join(missed) or "coverage: no package is below its floor")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
