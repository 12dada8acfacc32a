"""Which lines use what is defined outside functions: the tests that execute them are those that a fault there concerns."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mutants.mutate import around, lines_of, parents_of

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class _Use(NamedTuple):
    """A name that is read.

    Attributes:
        name: the name, with its module if it begins with an underscore.
        path: the module's file.
        first: the first line of the statement; 0 if it runs when the module is imported.
        last: its last line.
        defines: for what runs at import, the names that the statement gives values to.
        function: otherwise the name of the function.
    """

    name: str
    path: str
    first: int
    last: int
    defines: tuple[str, ...]
    function: str


class Constants:
    """The uses of names in the modules of a folder. Modules that use the same name are not told apart.

    Args:
        folder: the code.
    """

    def __init__(self, folder: Path) -> None:
        self._uses: list[_Use] = []
        self._defined: dict[str, list[tuple[int, int, tuple[str, ...]]]] = {}
        for path in [folder] if folder.is_file() else sorted(folder.rglob("*.py")):
            self._read(str(path), ast.parse(path.read_text(encoding="utf-8")))

    def _read(self, path: str, tree: ast.Module) -> None:
        parents = parents_of(tree)
        self._defined[path] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.stmt) and lines_of(node, parents) == (0, 0):
                names = tuple(_with_module(path, name) for name in _defined_by(node))
                self._defined[path].append((node.lineno, node.end_lineno or 0, names))
            if not (isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load)):
                continue
            name = _with_module(path, node.id if isinstance(node, ast.Name) else node.attr)
            statement, scope = around(node, parents)
            defines = tuple(_with_module(path, name) for name in _defined_by(statement))
            function = _with_module(path, scope.rpartition(".")[2])
            self._uses.append(_Use(name, path, *lines_of(statement, parents), defines, function))

    def at(self, path: str, line: int) -> set[str]:
        """Return the names that the innermost statement outside functions at a line defines."""
        found = [(first, names) for first, last, names in self._defined.get(path, ()) if first <= line <= last]
        return set(max(found)[1]) if found else set()

    def users(self, names: set[str], function: str = "") -> Iterator[tuple[str, int]]:
        """Yield files and lines in functions that use the names, or what is made from them at import.

        Args:
            names: as `at` returns them.
            function: a function that is called at import, whose results count as well.
        """
        known, functions, before = set(names), {function}, -1
        while before != (before := len(known) + len(functions)):
            for use in self._uses:
                if not use.first and (use.name in known or use.name in functions):
                    known |= set(use.defines)
                elif use.name in known:
                    functions.add(use.function)  # what it returns, at import, is made from the name
        for use in self._uses:
            if use.first and use.name in known:
                yield from ((use.path, line) for line in range(use.first, use.last + 1))


def _with_module(path: str, name: str) -> str:
    return f"{path}:{name}" if name.startswith("_") and not name.startswith("__") else name


def _defined_by(statement: ast.AST) -> list[str]:
    if isinstance(statement, _FUNCTIONS):
        return [statement.name]  # what its signature uses
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
    return []
