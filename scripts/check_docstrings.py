"""Check that the docstrings of the public API name every argument, and say what is raised."""

from __future__ import annotations

import ast
import builtins
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import griffe

import public_face

ROOT = Path(__file__).resolve().parent.parent
CALLBACKS = "tailwire.sdk.listeners.interfaces."
"""The listener classes: apps write their methods, whose parameters are named after what they are."""
ELSEWHERE = re.compile(
    r"See `(?:ChatClient\.)?(\w+)`|[Aa]rguments (?:and errors )?(?:are )?(?:as for|those of|as) `(\w+)`"
)
REFERS = re.compile(r"[Aa]s (?:for )?`\w+`|[Aa]s the server|See `|errors as|codes? of the server")
"""Sections of `Raises` that refer to the codes of another call, or of the server."""
CODES = re.compile(r"`[A-Z][A-Z_]+`|`(?:\w+\.)?[a-z_]+`|codes? (?:of|from) the server|[Aa]s the server")
"""An entry of CometChatException must contain a code, or refer to the codes of another call or of the server."""
CONTROL = frozenset({"AssertionError", "CancelledError", "StopAsyncIteration", "StopIteration"})
REQUEST = re.compile(r"\b(?:requests|_requester|http)\.(?:ask|ask_for_list|fetch)$")
CODES_OF = {
    "checked_id": {"ERROR_INVALID_MESSAGE_ID"},
    "checked_limit": {"ERROR_NON_POSITIVE_LIMIT", "ERROR_LIMIT_EXCEEDED"},
    "checked_receiver": {"ERR_INVALID_RECEIVER_TYPE", "ERR_INVALID_ARGUMENT"},
    "name_list": {"ERR_INVALID_ARGUMENT"},
    "filter_values": {"ERR_INVALID_ARGUMENT"},
    "add_body": {"INVALID_SCOPE_VALUE"},
    "forwarding_listener": {"ERR_INVALID_ARGUMENT"},
    "invalid_argument": {"ERR_INVALID_ARGUMENT"},
}
"""Codes that functions raise for their callers."""


def members() -> Iterator[tuple[griffe.Function, griffe.Class | None]]:
    """Yield each public function and method once, a method with its class."""
    seen: set[str] = set()
    for home in public_face.exported():
        thing = public_face.find(home)
        if isinstance(thing, griffe.Function) and home not in seen:
            seen.add(home)
            yield thing, None
        elif isinstance(thing, griffe.Class):
            for member in public_face.public_members(thing):
                if isinstance(member, griffe.Function) and member.path not in seen:
                    seen.add(member.path)
                    if public_face.written_out(member):
                        yield member, thing


def text_of(function: griffe.Function, owner: griffe.Class | None) -> str:
    """Return the docstrings that document a function: its own, and that of a constructor's class, or of the bases."""
    generated = function.path.startswith("tailwire.sdk.methods.")
    if generated:  # with the docstrings of the groups of calls
        function = grouped_calls().get(function.name, function)
    text = function.docstring.value if function.docstring else ""
    if owner is None or generated:
        return text
    if function.name.startswith("__"):
        return f"{text}\n{owner.docstring.value if owner.docstring else ''}"
    for base in owner.mro():
        inherited = base.members.get(function.name)
        if inherited is not None and inherited.docstring is not None:
            text += "\n" + inherited.docstring.value
    return text


def named_in(text: str) -> set[str]:
    """Return the names in the sections `Args` and `Attributes`, and in the summary, which may suffice."""
    found = set(re.findall(r"`(\w+)`", text.partition("\n")[0]))
    for section in re.findall(r"^(?:Args|Attributes):\n((?: +.*\n?|\n)*)", text, re.MULTILINE):
        for names in re.findall(r"^ {4}([*\w]+(?:, [*\w]+)*):", section, re.MULTILINE):
            found.update(name.strip(" *") for name in names.split(","))
    return found


def arguments(function: griffe.Function) -> list[str]:
    """Return the names of the parameters that a caller passes."""
    return [p.name.strip("*") for p in function.parameters if p.name.strip("*") not in ("self", "cls")]


@functools.cache
def module_tree(path: Path) -> ast.Module:
    """Return a parsed module."""
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def grouped_calls() -> dict[str, griffe.Function]:
    """Return the methods to which those of `ChatClient` forward, by name."""
    found: dict[str, griffe.Function] = {}
    for module in (public_face.package()["sdk.calls"], public_face.package()["sdk.live"]):
        for file in module.modules.values():
            for group in file.classes.values():
                if group.name.endswith(("Calls", "Lists")):
                    found |= {n: m for n, m in group.members.items() if isinstance(m, griffe.Function) and n[0] != "_"}
    return found


def bodies(function: griffe.Function) -> Iterator[ast.AST]:
    """Yield the body of a function, and of the private functions that it calls in its class and module."""
    if function.path.startswith("tailwire.sdk.methods."):
        function = grouped_calls().get(function.name, function)
    assert isinstance(function.filepath, Path)
    tree = module_tree(function.filepath)
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    start, end = function.lineno or 0, function.endlineno or 0
    pending = [n for n in functions if n.name == function.name and start <= n.lineno <= end]
    seen: set[ast.AST] = set()
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        called = {ast.unparse(n.func).removeprefix("self.") for n in ast.walk(node) if isinstance(n, ast.Call)}
        pending += [n for n in functions if n.name in called and n.name.startswith("_") and not n.name.startswith("__")]


def raised(function: griffe.Function) -> tuple[set[str], set[str]]:
    """Return the exceptions and the error codes that a function raises, without those that it also catches."""
    kinds: set[str] = set()
    codes: set[str] = set()
    caught: set[str] = set()
    for inner in (inner for body in bodies(function) for inner in ast.walk(body)):
        if isinstance(inner, ast.Raise) and isinstance(inner.exc, ast.Call):
            called = ast.unparse(inner.exc.func).rpartition(".")[2]
            first = inner.exc.args[0] if inner.exc.args else None
            if called == "failure" and isinstance(first, ast.Constant):
                codes.add(str(first.value))
            elif called[:1].isupper() and called not in CONTROL:
                kinds.add(called)
        elif isinstance(inner, ast.ExceptHandler) and inner.type is not None:
            caught |= {n.id for n in ast.walk(inner.type) if isinstance(n, ast.Name)} - {"CometChatException"}
        elif isinstance(inner, ast.Call):
            called = ast.unparse(inner.func)
            codes |= CODES_OF.get(called, set())
            if REQUEST.search(called):
                kinds.add("CometChatException")
    return {kind for kind in kinds - caught if kind in public_kinds()}, codes


@functools.cache
def public_kinds() -> set[str]:
    """Return the names of the exceptions that an app can catch by name."""
    return {*dir(builtins), *(name.rpartition(".")[2] for name in public_face.public_names())}


def problems(function: griffe.Function, owner: griffe.Class | None) -> Iterator[str]:
    """Yield what the documentation of a function lacks."""
    text, name = text_of(function, owner), public_name(function, owner)
    if not text.strip():
        if not function.path.startswith("tailwire.sync.") and not function.name.startswith("__"):
            yield f"{name}: no docstring"
        return  # the blocking client takes over those of `ChatClient`
    if not function.path.startswith(CALLBACKS) and not ELSEWHERE.search(text):
        for lacking in [argument for argument in arguments(function) if argument not in named_in(text)]:
            yield f"{name}: `{lacking}` is not in Args"
    kinds, codes = raised(function)
    for kind in sorted(kinds):
        if kind not in text:
            yield f"{name}: raises {kind}, which is not in Raises"
    for entry in re.findall(r"^ +CometChatException: ((?:.*\n?)(?: {8,}.*\n?)*)", text, re.MULTILINE):
        if not CODES.search(entry):
            yield f"{name}: `CometChatException: {entry.split(chr(10))[0].strip()}` names no code"
    for code in sorted(codes):
        if code not in text and not REFERS.search(text):
            yield f"{name}: raises {code}, which is not in Raises"


def public_name(function: griffe.Function, owner: griffe.Class | None) -> str:
    """Return the name of a function for a reader."""
    return f"{owner.name}.{function.name}" if owner is not None else function.path


def main() -> int:
    """Print what is missing."""
    found, checked = [], 0
    for function, owner in members():
        checked += 1
        found += problems(function, owner)
    print("\n".join(sorted(set(found))) or f"docstrings: {checked} public functions, all say what they take and raise")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
