"""Check that what the text refers to exists: sentences of the specification, pages, exceptions, error codes, arguments.

Ids (`C14`) count where they occur in docstrings, comments and `spec` marks; pages (`docs/bots.md`) there and in pages;
members of classes (`Class.member`) in docstrings and comments; error codes in docstrings of the source; the rest in the
sections `Raises`, `Args` and `Attributes` of docstrings.
Arguments restrict the check to some folders or files.
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
_CODE = re.compile(r"\b(?:AUTH_)?ERR(?:OR)?_[A-Z0-9_]+\b")
_ENTRY = re.compile(r"^ {4}([*A-Za-z_][\w.]*(?:, [*A-Za-z_][\w.]*)*):", re.MULTILINE)
_UNEXPLAINED = re.compile(r"^ {4}([A-Z]\w*(?:, [A-Z]\w*)*)\.?$", re.MULTILINE)
_MEMBER = re.compile(r"`(?:[A-Za-z_]\w*\.)*([A-Z]\w*)\.([A-Za-z_]\w*)(?:\([^`]*\))?`")
_OF_EVERY_CLASS = frozenset({*dir(object), "_make", "_replace", "_asdict", "_fields"})
"""Members that every class has, or every named tuple."""


@functools.cache
def classes_of(folder: Path) -> dict[str, list[ast.ClassDef]]:
    """Return the classes in a folder by name."""
    found: dict[str, list[ast.ClassDef]] = {}
    for path in folder.rglob("*.py"):
        for node in check_words.nodes(path.read_text(encoding="utf-8")):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(node)
    return found


def classes_for(path: Path) -> dict[str, list[ast.ClassDef]]:
    """Return the classes that a module may name without importing them: those of the source and of its own room."""
    return _classes_of_rooms(_rooms_for(path))


def _rooms_for(path: Path) -> frozenset[Path]:
    return frozenset({ROOT / "src", ROOT / path.relative_to(ROOT).parts[0]})


@functools.cache
def _classes_of_rooms(rooms: frozenset[Path]) -> dict[str, list[ast.ClassDef]]:
    found: dict[str, list[ast.ClassDef]] = {}
    for room in rooms:
        for name, nodes in classes_of(room).items() if room.is_dir() else ():
            found[name] = found.get(name, []) + nodes
    return found


def entries(docstring: str, section: str) -> list[str]:
    """Return the names that a section of a docstring explains."""
    sections = re.findall(rf"^{section}:\n((?:    .*\n?|\n)*)", docstring, re.MULTILINE)
    return [name.strip("*") for text in sections for names in _ENTRY.findall(text) for name in names.split(", ")]


def names_of(node: ast.ClassDef, known: dict[str, list[ast.ClassDef]]) -> set[str]:
    """Return the names of the parameters, attributes and methods of a class and of its bases.

    `setattr` is among them if the class may have others.
    """
    found: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name | ast.Attribute):
            found.add(inner.id if isinstance(inner, ast.Name) else inner.attr)
        elif isinstance(inner, ast.arg):
            found.add(inner.arg)
        elif isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(inner.name)
    names = {ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases} - {node.name}
    return found.union(*(names_of(base, known) for name in names for base in known.get(name, [])))


@functools.cache
def _members(rooms: frozenset[Path], name: str) -> frozenset[str] | None:
    # The members of all classes with a name; None if there is no such class, or if one may have others.
    known = _classes_of_rooms(rooms)
    found = _OF_EVERY_CLASS.union(*(names_of(node, known) for node in known.get(name, ())))
    return found if name in known and "setattr" not in found else None


def missing_members(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the members of classes (`Class.member`) in the prose of a module that do not exist, with line numbers."""
    for number, line in check_words.prose(path):
        for owner, name in _MEMBER.findall(line):
            members = _members(_rooms_for(path), owner)
            if members is not None and name not in members:
                yield number, f"{owner} has no {name}"


def unexplained_exceptions(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the exceptions that a docstring of a module lists without saying when they are raised, with line numbers."""
    for node in check_words.nodes(path.read_text(encoding="utf-8")):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            sections = re.findall(r"^Raises:\n((?:    .*\n?|\n)*)", ast.get_docstring(node) or "", re.MULTILINE)
            for names in (names for text in sections for names in _UNEXPLAINED.findall(text)):
                yield node.body[0].lineno, f"say when {names} is raised"


def missing_names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the arguments and attributes in the docstrings of a module that do not exist, with line numbers."""
    known: dict[str, list[ast.ClassDef]] = {}
    for node in check_words.nodes(path.read_text(encoding="utf-8")):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node) or ""
            named = entries(docstring, "Args") + entries(docstring, "Attributes")
            if not named:
                continue
            if isinstance(node, ast.ClassDef):
                known = known or classes_for(path)
                own = names_of(node, known)
            else:
                own = {inner.arg for inner in ast.walk(node.args) if isinstance(inner, ast.arg)}
            for name in named if "setattr" not in own else ():
                if name not in own:
                    yield node.body[0].lineno, f"{node.name} has no {name}"


def missing_exceptions(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the names of exceptions in the docstrings of a module that no class has, with line numbers.

    A name with a module of another project (`ssl.SSLError`) is not checked.
    """
    nodes = check_words.nodes(path.read_text(encoding="utf-8"))
    bound = {alias.asname or alias.name for n in nodes if isinstance(n, ast.ImportFrom) for alias in n.names}
    known = {*dir(builtins), *bound, *classes_for(path)}
    for node in nodes:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for name in entries(ast.get_docstring(node) or "", "Raises"):
                own = "." not in name or name.startswith("tailwire.")
                if own and name.rpartition(".")[2] not in known:
                    yield node.body[0].lineno, name


@functools.cache
def codes_of(folder: Path) -> set[str]:
    """Return the error codes that the code of a folder has as texts or names."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in check_words.nodes(path.read_text(encoding="utf-8")):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value):
                found.add(node.value)
            elif isinstance(node, ast.Name | ast.Attribute):
                found.add(node.id if isinstance(node, ast.Name) else node.attr)
    return found


def missing_codes(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the error codes in the docstrings of a module of the source that nothing there raises, with line numbers."""
    if path.relative_to(ROOT).parts[0] != "src":
        return
    for node in check_words.nodes(path.read_text(encoding="utf-8")):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for code in sorted({*_CODE.findall(ast.get_docstring(node) or "")} - codes_of(ROOT / "src")):
                yield node.body[0].lineno, code


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
        found += [(n, f"{name}:{n}: there is no error code {one}") for n, one in missing_codes(path)]
        found += [(n, f"{name}:{n}: {problem}") for n, problem in missing_names(path)]
        found += [(n, f"{name}:{n}: {problem}") for n, problem in missing_members(path)]
        found += [(n, f"{name}:{n}: {problem}") for n, problem in unexplained_exceptions(path)]
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
