"""The errors that `mypy --strict` finds in programs that use the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


def assert_errors(folder: Path, programs: Mapping[str, str], wrong: range) -> None:
    """Check programs, and assert that mypy finds an error in each of some lines of `wrong`, and nowhere else.

    Args:
        folder: an empty folder, for the programs.
        programs: the code of the programs, by name; one is `wrong`.
        wrong: the numbers of these lines.
    """
    for name, code in programs.items():
        (folder / f"{name}.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache"), "--config-file", os.devnull,
         *(f"{name}.py" for name in programs)],
        cwd=folder, env={**os.environ, "MYPYPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    errors = re.findall(r"^(\w+)\.py:(\d+): error", done.stdout, re.MULTILINE)
    assert {int(line) for name, line in errors if name == "wrong"} == set(wrong), done.stdout
    assert {name for name, _ in errors} == {"wrong"}, done.stdout
