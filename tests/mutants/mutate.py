"""The mutants of a module: each differs from it in one place."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mutants import sql

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_UNTESTED_CALLS = ("log", "warnings", "logging")  # what is logged is not tested
_UNTESTED_VALUES = ("short",)  # the length of a column, which no database checks
_UNTESTED_FUNCTIONS = ("__repr__", "__str__", "__hash__")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A place in a module, and which of its changes is made there.

    Attributes:
        place: the number of the node in the order of `ast.walk`.
        change: the number of the change.
    """

    place: int
    change: int


@dataclass(frozen=True, slots=True)
class Mutated:
    """A module with one fault.

    Attributes:
        line: the line of the fault.
        scope: the function or class around it, as `Class.method`; "" for the module itself.
        before: the first line of the statement, without comments and as `ast.unparse` writes it; within SQL, the place.
        after: the same with the fault.
        source: the module with the fault.
        first: the first line of the statement; 0 if it runs when the module is imported.
        last: the last line of the statement, without the statements in it.
        in_sql: whether the fault is within SQL.
    """

    line: int
    scope: str
    before: str
    after: str
    source: str
    first: int = 0
    last: int = 0
    in_sql: bool = False


def mutants(source: str) -> list[Mutant]:
    """Return all mutants of a module."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    return [Mutant(place, n) for place in _places(tree) for n, _ in enumerate(_changes(nodes[place]))]


def mutate(source: str, mutant: Mutant) -> Mutated:
    """Return a module with the fault of a mutant."""
    tree = ast.parse(source)
    node = list(ast.walk(tree))[mutant.place]
    parents = parents_of(tree)
    statement, scope = around(node, parents)
    before = _first_line(statement)
    first, last = lines_of(statement, parents)
    text = _text_of(node)
    list(_changes(node))[mutant.change]()
    changed = ast.fix_missing_locations(_Replacing().visit(tree))
    after = _first_line(getattr(statement, "replacement", statement))
    if text is not None:
        before, after = sql.excerpts(text, _text_of(node) or "")
    return Mutated(
        getattr(node, "lineno", 0), scope, before, after, ast.unparse(changed), first, last, text is not None
    )


def statements(source: str) -> list[tuple[Mutant, str, str]]:
    """Return all mutants of a module, each with `scope` and `before` of what `mutate` returns."""
    tree = ast.parse(source)
    nodes, parents = list(ast.walk(tree)), parents_of(tree)
    found = []
    for mutant in mutants(source):
        node = nodes[mutant.place]
        statement, scope = around(node, parents)
        if (text := _text_of(node)) is not None:
            before, _ = sql.excerpts(text, list(sql.faults(text))[mutant.change])
        else:
            before = _first_line(statement)
        found.append((mutant, scope, before))
    return found


def _text_of(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def parents_of(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    """Return the parent of each node."""
    return {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}


def around(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> tuple[ast.AST, str]:
    """Return the statement that contains a node, and the names of the functions and classes around it."""
    statement = node
    while not isinstance(statement, ast.stmt | ast.ExceptHandler | ast.match_case) and statement in parents:
        statement = parents[statement]
    names: list[str] = []
    outer: ast.AST | None = statement
    while outer is not None and (outer := parents.get(outer)) is not None:
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(outer.name)
    return statement, ".".join(reversed(names))


def lines_of(statement: ast.AST, parents: dict[ast.AST, ast.AST]) -> tuple[int, int]:
    """Return the lines that run when the statement does, without those of the statements in it; zeros outside functions."""
    outer: ast.AST | None = statement
    while (outer := parents.get(outer) if outer is not None else None) is not None:
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            break
    else:
        return 0, 0
    placed = statement.pattern if isinstance(statement, ast.match_case) else statement
    first, last = getattr(placed, "lineno", 0), getattr(statement, "end_lineno", 0) or 0
    inner = getattr(statement, "body", None) or getattr(statement, "cases", None)
    if inner:
        begins = inner[0].pattern if isinstance(inner[0], ast.match_case) else inner[0]
        last = begins.lineno - 1
    return first, max(first, last)


def _first_line(code: ast.AST) -> str:
    return ast.unparse(code).strip().partition("\n")[0]


def _places(tree: ast.AST) -> list[int]:
    # Nodes that may be changed: not annotations, decorators, docstrings, and what is only for types or people.
    left_out: set[int] = set()
    for node in ast.walk(tree):
        skipped: list[ast.AST | None] = []
        if isinstance(node, ast.arg | ast.AnnAssign):
            skipped.append(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            skipped += [node.returns, *node.decorator_list]
            if node.name in _UNTESTED_FUNCTIONS:
                skipped += node.body
        elif isinstance(node, ast.ClassDef):
            skipped += node.decorator_list
        elif (
            (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
            or isinstance(node, ast.Assert | ast.Import | ast.ImportFrom)
            or (isinstance(node, ast.Expr) and (_is_text(node.value) or _is_log(node.value)))
            or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("__all__", "__slots__"))
            or (isinstance(node, ast.Call) and ast.unparse(node.func) in _UNTESTED_VALUES)
        ):
            skipped.append(node)
        for one in skipped:
            if one is not None:
                left_out.update(id(inner) for inner in ast.walk(one))
    return [number for number, node in enumerate(ast.walk(tree)) if id(node) not in left_out]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_log(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).partition(".")[0] in _UNTESTED_CALLS


def _changes(node: ast.AST) -> Iterator[Callable[[], None]]:
    """Yield functions that each change the node in one way."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
        yield lambda: node.ops.__setitem__(0, _COMPARISONS[type(node.ops[0])]())
    elif isinstance(node, ast.BoolOp):
        yield lambda: setattr(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield lambda: _replace(node, node.operand)
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS and not _are_texts(node):
        yield lambda: setattr(node, "op", _OPERATORS[type(node.op)]())
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield lambda: setattr(node, "value", not node.value)
        elif isinstance(node.value, int | float):
            yield lambda: setattr(node, "value", node.value + 1)  # type: ignore[operator]
        elif isinstance(node.value, str):
            for text in sql.faults(node.value):
                yield functools.partial(setattr, node, "value", text)
    elif isinstance(node, ast.If | ast.While | ast.IfExp) and isinstance(
        node.test, ast.Name | ast.Attribute | ast.Call
    ):
        yield lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none_or_bool(node.value):
        yield lambda: setattr(node, "value", ast.Constant(None))
    elif (
        isinstance(node, ast.Raise | ast.Continue | ast.Break | ast.Delete)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await))
        or (isinstance(node, ast.Assign | ast.AugAssign) and _is_kept(node))
    ):
        yield lambda: _replace(node, ast.Pass())


def _is_none_or_bool(node: ast.expr) -> bool:
    # True and False are changed as constants; a caller that asks for a bool takes None for False.
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))


def _is_kept(node: ast.Assign | ast.AugAssign) -> bool:
    # Whether something outlives the function: without a local variable, the code after it would only raise NameError.
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return isinstance(node, ast.AugAssign) or all(isinstance(t, ast.Attribute | ast.Subscript) for t in targets)


def _are_texts(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(s, ast.JoinedStr) or (isinstance(s, ast.Constant) and isinstance(s.value, str | bytes))
        for s in sides
    )


def _replace(node: ast.AST, other: ast.AST) -> None:
    node.replacement = other  # type: ignore[attr-defined]


class _Replacing(ast.NodeTransformer):
    def visit(self, node: ast.AST) -> ast.AST:
        if (other := getattr(node, "replacement", None)) is not None:
            return ast.copy_location(other, node)
        return self.generic_visit(node)
