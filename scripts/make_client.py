"""Write `src/tailwire/sdk/methods.py`: the flat methods of `ChatClient` (`make reference`).

Each public method of a group of calls (`sdk/all_calls.py`) becomes a method of the client with the same parameters and
docstring. It checks that the client is open and used from its event loop, and forwards the call. Async methods of the
documented API also get `on_success` and `on_error`.
"""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from typing import get_type_hints

from make_sync_face import formatted, imported, names_in

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "src" / "tailwire" / "sdk" / "methods.py"
WITHOUT_CALLBACKS = frozenset(
    {
        "end_typing",
        "live_conversations",
        "live_messages",
        "send_transient_message",
        "start_typing",
        "stop_draft",
        "wait_connected",
        "wait_disconnected",
    }
)
"""Async methods that the documented API lacks, or has without callbacks."""
LEFT_OUT = frozenset({"connection", "restore"})
"""Public methods of groups that `ChatClient` has in its own way, or not at all."""
HEAD = '''"""Made by `make reference` from the groups of calls: the methods of `ChatClient`. Change those, not this file."""

from __future__ import annotations

'''
CLASS = '''

class ClientMethods(CallingClient):
    """The methods of `ChatClient` that forward to groups of calls."""

'''
Function = ast.FunctionDef | ast.AsyncFunctionDef


def groups() -> list[tuple[str, type]]:
    """The expression for each group of calls, and its class."""
    from tailwire.sdk.all_calls import AllCalls
    from tailwire.sdk.calls.listening import ListenerCalls

    fields = get_type_hints(AllCalls)
    return [("_usable_listeners", ListenerCalls), *((f"_calls.{name}", kind) for name, kind in fields.items())]


def public_methods(kind: type) -> list[Function]:
    """The public methods of a class, as they are written."""
    tree = ast.parse(inspect.getsource(sys.modules[kind.__module__]))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
    return [node for node in body if isinstance(node, Function) and node.name[0] != "_" and node.name not in LEFT_OUT]


def forwarded(group: str, node: Function) -> str:
    """The source of the method of the client that forwards to a method of a group."""
    arguments, result = node.args, ast.unparse(node.returns) if node.returns else "None"
    passed = [a.arg for a in arguments.args[1:]] + [f"{a.arg}={a.arg}" for a in arguments.kwonlyargs]
    if node.name.startswith("remove_"):
        group = group.replace("_usable", "")  # a closed client still lets go of its listeners
    call = f"self.{group}.{node.name}({', '.join(passed)})"
    is_async = isinstance(node, ast.AsyncFunctionDef) and not any(isinstance(n, ast.Yield) for n in ast.walk(node))
    if is_async and node.name in WITHOUT_CALLBACKS:
        call = f"return await {call}" if result != "None" else f"await {call}"
    elif is_async:
        for name, kind in (("on_success", f"OnSuccess[{result}]"), ("on_error", "OnError")):
            arguments.kwonlyargs.append(ast.arg(name, ast.parse(kind, mode="eval").body))
            arguments.kw_defaults.append(ast.Constant(None))
        call = f"return await with_callbacks(lambda: {call}, on_success, on_error)"
    elif result != "None":
        call = f"return {call}"
    overload = next((d for d in node.decorator_list if ast.unparse(d) == "overload"), None)
    made: Function = (ast.AsyncFunctionDef if is_async else ast.FunctionDef)(
        node.name, arguments, [ast.Pass()], [overload] if overload else [], node.returns
    )
    head = ast.unparse(ast.fix_missing_locations(ast.copy_location(made, node))).removesuffix("pass").rstrip()
    head = "".join(f"    {line}\n" for line in head.splitlines())
    if overload:
        return head.rstrip() + " ...\n"
    docstring = ast.get_docstring(node, clean=False)
    return f'{head}        """{docstring}"""\n        {call}\n\n'


def text() -> str:
    """The text of the module."""
    imports = {
        "CallingClient": "from tailwire.sdk.all_calls import CallingClient",
        "OnError": "from tailwire.sdk.calls.outcome import OnError",
        "OnSuccess": "from tailwire.sdk.calls.outcome import OnSuccess",
        "with_callbacks": "from tailwire.sdk.calls.outcome import with_callbacks",
    }
    body = ""
    for group, kind in groups():
        module = sys.modules[kind.__module__]
        tree = ast.parse(inspect.getsource(module))
        for node in public_methods(kind):
            defaults = [d for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None]
            needed = names_in(node) | {n.id for d in defaults for n in ast.walk(d) if isinstance(n, ast.Name)}
            for name in sorted(needed | {ast.unparse(d) for d in node.decorator_list}):
                statement = imported(name, tree, module.__name__)
                if statement and imports.setdefault(name, statement) != statement:
                    raise SystemExit(f"{name} is two things: {imports[name]}; {statement}")
            body += forwarded(group, node)
    return formatted(HEAD + "\n".join(sorted(set(imports.values()))) + CLASS + body, TARGET)


def main() -> int:
    """Write the module."""
    made = text()
    TARGET.write_text(made, encoding="utf-8")
    print(f"{TARGET.relative_to(ROOT)}: {made.count(chr(10))} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
