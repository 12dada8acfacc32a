"""Check that what the text refers to exists: sentences of the specification, pages, and exceptions.

Ids (`C14`) count where they occur in docstrings, comments and `spec` marks; pages (`docs/bots.md`) there and in pages;
exceptions in the section `Raises` of docstrings. Arguments restrict the check to some folders or files.
"""

from __future__ import annotations

import ast
import builtins
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import check_words
import spec_coverage

ROOT = check_words.ROOT
_ID = re.compile(r"(?<![\w/.`#-])([SCTIK]\d{1,2})\b(?![.\w%])")
_PAGE = re.compile(r"(?<![\w/:.*{-])((?:\.\./)*(?:[\w-]+/)*[\w-]+\.md)\b(?!\]\()")


_RAISES = re.compile(r"^Raises:\n((?:    .*\n?|\n)*)", re.MULTILINE)
_RAISED = re.compile(r"^ {4}([A-Za-z_][\w.]*(?:, [A-Za-z_][\w.]*)*):", re.MULTILINE)


@functools.cache
def classes_of(folder: Path) -> frozenset[str]:
    """Return the names of all classes in a folder."""
    modules = (ast.parse(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py"))
    return frozenset(node.name for tree in modules for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def missing_exceptions(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the names of exceptions in the docstrings of a module that no class has, with line numbers.

    A name with a module of another project (`ssl.SSLError`) is not checked.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bound = {alias.asname or alias.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for alias in n.names}
    rooms = {ROOT / "src", ROOT / path.relative_to(ROOT).parts[0]}
    known = {*dir(builtins), *bound}.union(*(classes_of(room) for room in rooms if room.is_dir()))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for section in _RAISES.findall(ast.get_docstring(node) or ""):
                for name in (name for names in _RAISED.findall(section) for name in names.split(", ")):
                    own = "." not in name or name.startswith("tailwire.")
                    if own and name.rpartition(".")[2] not in known:
                        yield node.body[0].lineno, name


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
    if path.suffix == ".py":
        found += [(n, f"{name}:{n}: there is no exception {one}") for n, one in missing_exceptions(path)]
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
