"""Check that what the text refers to exists: sentences of the specification, and pages.

Ids (`C14`) count where they occur in docstrings, comments and `spec` marks; pages (`docs/bots.md`) there and in pages.
Arguments restrict the check to some folders or files.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import check_words
import spec_coverage

ROOT = check_words.ROOT
_ID = re.compile(r"(?<![\w/.`#-])([SCTIK]\d{1,2})\b(?![.\w%])")
_PAGE = re.compile(r"(?<![\w/:.*{-])((?:\.\./)*(?:[\w-]+/)*[\w-]+\.md)\b(?!\]\()")


def missing_pages(path: Path, line: str) -> list[str]:
    """Return the pages that a line names and that do not exist, seen from the root or from the file."""
    if "://" in line:
        return []
    return [page for page in _PAGE.findall(line) if not (ROOT / page).exists() and not (path.parent / page).exists()]


def problems(path: Path, known: set[str]) -> list[str]:
    """Return the references of a file that lead nowhere."""
    name, found = path.relative_to(ROOT), []
    for number, line in check_words.prose(path):
        for page in missing_pages(path, line):
            hint = f"; write docs/{page}" if (ROOT / "docs" / page).exists() else ""
            found.append((number, f"{name}:{number}: there is no page {page}{hint}"))
        if path.suffix == ".py":
            unknown = [one for one in _ID.findall(line) if one not in known]
            found += [(number, f"{name}:{number}: the specification has no {one}") for one in unknown]
    return [text for _, text in sorted(found)]


def main() -> int:
    """Check everything, or what the arguments name."""
    rooms = sys.argv[1:] or check_words.ROOMS
    known = set(spec_coverage.ids_in(spec_coverage.SPECIFICATION))
    found = [problem for path in check_words.files(rooms) for problem in problems(path, known)]
    print("\n".join(found) or "references: all exist")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
