"""Print the sentences of docs/project/specification.md that no test covers, and ids in tests that it does not define.

The exit code is 1 if there are any.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPECIFICATION = ROOT / "docs" / "project" / "specification.md"
DEVIATIONS = ROOT / "docs" / "project" / "deviations.md"
_MARK = re.compile(r"spec\(([^)]*)\)")
_ID = re.compile(r"[SCTIK]\d+")


def ids_in(path: Path, begin: str = r"(?:\| |- )") -> list[str]:
    """Return the ids that a page defines, in order: those at the start of a table row or list item."""
    found = re.findall(rf"^{begin}([SCTIK]\d+)\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    return list(dict.fromkeys(found))


def covered() -> dict[str, list[str]]:
    """Return the tests that cover each id."""
    tests: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for marked in _MARK.findall(path.read_text(encoding="utf-8")):
            for name in _ID.findall(marked):
                tests.setdefault(name, []).append(str(path.relative_to(ROOT)))
    return tests


def main() -> int:
    """Print the sentences without a test, and the ids that the specification does not define."""
    tests, later = covered(), set(ids_in(DEVIATIONS, "- "))
    known = ids_in(SPECIFICATION)
    missing = [i for i in known if i not in tests and i not in later]
    unknown = sorted(set(tests) - set(known))
    for name in missing:
        print(f"no test covers {name}")
    for name in unknown:
        print(f"a test names {name}, which the specification does not know")
    if not missing and not unknown:
        print(f"{len(known)} sentences; {sum(i in tests for i in known)} covered by tests, {len(later)} left for later")
    return 1 if missing or unknown else 0


if __name__ == "__main__":
    sys.exit(main())
