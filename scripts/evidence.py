"""The actions of each test, read from its code: calls, requests, awaited callbacks. Words in a text do not count.

The actions of the helpers that a test calls count as its own: functions of its module, and of the modules in `HELPERS`.
"""

from __future__ import annotations

import ast
import functools
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
SDK = ROOT / "src" / "tailwire" / "sdk"
HELPERS = ("harness.py", "rest.py", "receiver.py", "between.py", "interop/stage.py")
FOLDERS = ("spec/", "property/", "e2e/", "unit/")
BROAD = (
    "spec/test_rest_api.py",
    "spec/test_chapters.py",
    "spec/test_other_operations.py",
)  # they walk through the chapters
_WITH_STATEMENTS = (ast.stmt, ast.excepthandler, ast.match_case)
_VERBS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD")
_CALLBACKS = re.compile(r"\b(on[A-Z]\w+)\s*[:(]")  # a listener written in JavaScript
_JAVASCRIPT = re.compile(r"\b(?:CometChat|C)\.(\w+)\s*\(")


@dataclass
class Evidence:
    """The actions of a function.

    Attributes:
        calls: names of the methods and functions that it calls.
        requests: operations that it requests and whose success it expects, as `GET /users/x`.
        javascript: methods and classes of the JavaScript SDK that it calls.
        awaited: names of callbacks that it looks for.
        names: names that it uses, called or not.
    """

    calls: set[str] = field(default_factory=set)
    requests: set[str] = field(default_factory=set)
    javascript: set[str] = field(default_factory=set)
    awaited: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def add(self, other: Evidence) -> None:
        """Add what another function does."""
        self.calls |= other.calls
        self.requests |= other.requests
        self.javascript |= other.javascript
        self.awaited |= other.awaited
        self.names |= other.names


def texts_of(node: ast.AST, known: dict[str, set[str]]) -> set[str]:
    """Return the texts that an expression may have: a literal, known name, or f-string with `x` for its fields."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.Name):
        return known.get(node.id, set())
    if isinstance(node, ast.JoinedStr):
        found = {""}
        for part in node.values:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            found = {head + tail for head in found for tail in texts_of(inner, known) or {"x"}}
        return found
    return set()


def names_known(nodes: Iterable[ast.AST]) -> dict[str, set[str]]:
    """Return the texts of names to which a function assigns literals, or which iterate over a tuple of literals."""
    known: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            known.setdefault(node.targets[0].id, set()).update(texts_of(node.value, known))
        elif isinstance(node, ast.For) and isinstance(node.target, ast.Name) and isinstance(node.iter, ast.Tuple):
            for item in node.iter.elts:
                known.setdefault(node.target.id, set()).update(texts_of(item, known))
    return known


def path_of(url: str) -> str:
    """Return the path of an operation as the server lists it, without host, version and query."""
    return re.sub(r"^(x|https?://[^/]+)?(/v3(\.0)?)?(?=/)", "", url).partition("?")[0]


def requests_in(call: ast.Call, name: str, known: dict[str, set[str]]) -> Iterator[str]:
    """Yield the operations that a call requests, if their method and path are written there."""
    texts = [texts_of(argument, known) for argument in call.args]
    for verbs, urls in itertools.pairwise(texts):
        if name != "refused":
            yield from (f"{verb} {path_of(url)}" for verb in verbs for url in urls if verb in _VERBS and "/" in url)
    if name.upper() in _VERBS and texts:
        yield from (f"{name.upper()} {path_of(url)}" for url in texts[0] if "/" in url)


def nodes_of(tree: ast.AST) -> list[ast.AST]:
    """Return all nodes in the order of the source; three times as fast as `ast.walk`."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        found.append(node)
        inner: list[ast.AST] = []
        for value in vars(node).values():
            if isinstance(value, ast.AST):
                if not isinstance(value, ast.expr_context):
                    inner.append(value)
            elif isinstance(value, list):
                inner += [one for one in value if isinstance(one, ast.AST)]
        waiting += reversed(inner)
    return found


def functions_of(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield all functions, including inner ones; expressions are skipped, because they contain none."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        for value in vars(node).values():
            if isinstance(value, list):
                waiting += [one for one in value if isinstance(one, _WITH_STATEMENTS)]


def direct_evidence(function: ast.AST) -> Evidence:
    """Return what a function does by itself, without the helpers that it calls."""
    nodes = nodes_of(function)
    found, known = Evidence(), names_known(nodes)
    for node in nodes:
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found.calls.add(name)
            found.requests.update(requests_in(node, name, known))
            if name in ("all", "hears") and node.args:
                found.awaited.update(texts_of(node.args[0], known))
        elif isinstance(node, ast.Attribute):
            found.names.add(node.attr)
            if node.attr in ("statuses", "texts"):
                found.awaited.add({"statuses": "status", "texts": "text"}[node.attr])
        elif isinstance(node, ast.Name):
            found.names.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.javascript.update(_JAVASCRIPT.findall(node.value))
            found.awaited.update(_CALLBACKS.findall(node.value))
    return found


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """Return a parsed module."""
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def defined(path: Path) -> dict[str, Evidence]:
    """Return what each function of a module does by itself, and each constant with a text in it, by name."""
    found: dict[str, Evidence] = {}
    tree = tree_of(path)
    for function in functions_of(tree):
        found.setdefault(function.name, Evidence()).add(direct_evidence(function))
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = direct_evidence(node.value)
    return found


def whole_evidence(name: str, homes: Iterable[dict[str, Evidence]]) -> Evidence:
    """Return what a function does, together with the helpers that it calls."""
    found, seen, waiting = Evidence(), set(), [name]
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            for home in homes:
                if one in home:
                    found.add(home[one])
                    waiting += home[one].calls | home[one].names
                    break
    return found


@functools.cache
def tests() -> dict[str, Evidence]:
    """Return what every test does, by its name."""
    helpers = [defined(TESTS / name) for name in HELPERS]
    found = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        own = defined(path)
        homes = [own, *helpers]
        for name in tests_of(path):
            found[f"{path.relative_to(TESTS).as_posix()}::{name}"] = whole_evidence(name, homes)
    return found


def tests_of(path: Path) -> list[str]:
    """Return the names of the tests of a module."""
    functions = (node for node in tree_of(path).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [function.name for function in functions if function.name.startswith("test_")]


def exists(test: str) -> bool:
    """Return whether there is a test with this name, such as `e2e/test_lab.py::test_lab_ends`."""
    file, _, name = test.partition("::")
    return (TESTS / file).is_file() and name in tests_of(TESTS / file)


def tests_within(folders: Iterable[str]) -> Iterator[tuple[str, Evidence]]:
    """Yield the tests of some folders or files, in the given order; within each, those of `BROAD` come first."""
    for folder in folders:
        here = [name for name in tests() if name.startswith(folder)]
        for name in sorted(here, key=lambda name: name.partition("::")[0] not in BROAD):
            yield name, tests()[name]


@functools.cache
def sdk_requests() -> dict[str, frozenset[str]]:
    """Return the operations that each method of the SDK requests, itself or by the functions of its module."""
    found: dict[str, frozenset[str]] = {}
    for path in sorted((SDK / "calls").glob("*.py")):
        own = defined(path)
        for name in own:
            if not name.startswith("_"):
                found[name] = found.get(name, frozenset()) | whole_evidence(name, [own]).requests
    return found


def asks(operation: str, requests: Iterable[str], fixed: Iterable[str]) -> bool:
    """Return True if one of the requests is for an operation: `GET /users/x` is `GET /users/{uid}`.

    Args:
        operation: a method and a path, with parameters in braces.
        requests: requests, with `x` for what a test fills in.
        fixed: all operations without parameters; a request for one of them counts for that operation alone.
    """
    pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(operation)))
    return any(pattern.fullmatch(one) and (one == operation or one not in fixed) for one in requests)
