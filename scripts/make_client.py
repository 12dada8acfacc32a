"""Write the flat methods of `ChatClient` and of `CometChat` (`make reference`).

`src/tailwire/sdk/methods.py`: each public method of a group of calls (`sdk/all_calls.py`) becomes a method of
`ChatClient` with the same parameters and docstring. It checks that the client is open and used from its event loop, and
forwards the call.

`src/tailwire/sdk/cometchat/static_methods.py`: each documented method of `ChatClient` becomes a class method that calls
it on the current client. Async ones also get the documented callbacks, `on_success` and `on_error`.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import sys
from pathlib import Path
from typing import get_type_hints

from make_sync_face import formatted, imported, names_in

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "src" / "tailwire" / "sdk" / "methods.py"
STATIC = ROOT / "src" / "tailwire" / "sdk" / "cometchat" / "static_methods.py"
WITHOUT_CALLBACKS = frozenset(
    {
        "end_typing",
        "send_transient_message",
        "start_typing",
    }
)
"""Async methods that the documented API has without callbacks."""
LEFT_OUT = frozenset({"connection", "restore"})
"""Public methods of groups that `ChatClient` has in its own way, or not at all."""
NOT_DOCUMENTED = frozenset(
    {
        "aclose",
        "banned_group_members",
        "blocked_users",
        "connection",
        "conversations",
        "create_upload_file_request",
        "event_loop",
        "fetch_notification_preferences",
        "get_muted_conversations",
        "get_timezone",
        "get_web_push_key",
        "group_members",
        "groups",
        "init",
        "live_conversations",
        "live_messages",
        "messages",
        "mute_conversations",
        "queue_message",
        "queued_messages",
        "reactions",
        "register_push_token",
        "reset_notification_preferences",
        "stop_draft",
        "unmute_conversations",
        "unregister_push_token",
        "update_notification_preferences",
        "update_timezone",
        "users",
        "wait_connected",
        "wait_disconnected",
    }
)
"""Methods of `ChatClient` that `CometChat` lacks, or has in its own way."""
HEAD = '''"""Made by `make reference` from the groups of calls: the methods of `ChatClient`. Change those, not this file."""

from __future__ import annotations

'''
CLASS = '''

class ClientMethods(CallingClient):
    """The methods of `ChatClient` that forward to groups of calls."""

'''
STATIC_HEAD = '''"""Made by `make reference` from `ChatClient`: the static methods of `CometChat`."""

from __future__ import annotations

'''
STATIC_CLASS = '''

class StaticMethods(CurrentClient):
    """The methods of `CometChat` that call the current client."""

'''
Function = ast.FunctionDef | ast.AsyncFunctionDef


def groups() -> list[tuple[str, type]]:
    """Return the expression for each group of calls, and its class."""
    from tailwire.sdk.all_calls import AllCalls
    from tailwire.sdk.calls.listening import ListenerCalls

    fields = get_type_hints(AllCalls)
    return [("_usable_listeners", ListenerCalls), *((f"_calls.{name}", kind) for name, kind in fields.items())]


def public_methods(kind: type) -> list[Function]:
    """Return the public methods of a class, as they are written."""
    tree = ast.parse(inspect.getsource(sys.modules[kind.__module__]))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
    return [node for node in body if isinstance(node, Function) and node.name[0] != "_" and node.name not in LEFT_OUT]


def passed_arguments(arguments: ast.arguments) -> str:
    """Return the arguments of a method, passed on as they are named."""
    return ", ".join([a.arg for a in arguments.args[1:]] + [f"{a.arg}={a.arg}" for a in arguments.kwonlyargs])


def signature(node: Function, decorators: list[ast.expr], *, is_async: bool) -> str:
    """Return the source of a method up to its colon."""
    kind = ast.AsyncFunctionDef if is_async else ast.FunctionDef
    made = kind(node.name, node.args, [ast.Pass()], decorators, node.returns)
    source = ast.unparse(ast.fix_missing_locations(ast.copy_location(made, node))).removesuffix("pass").rstrip()
    return "".join(f"    {line}\n" for line in source.splitlines())


def forwarded(group: str, node: Function) -> str:
    """Return the source of the method of the client that forwards to a method of a group."""
    arguments, result = node.args, ast.unparse(node.returns) if node.returns else "None"
    if node.name.startswith("remove_"):
        group = group.replace("_usable", "")  # a closed client still lets apps remove their listeners
    call = f"self.{group}.{node.name}({passed_arguments(arguments)})"
    is_async = isinstance(node, ast.AsyncFunctionDef) and not any(isinstance(n, ast.Yield) for n in ast.walk(node))
    call = f"await {call}" if is_async else call
    call = f"return {call}" if result != "None" else call
    overload = next((d for d in node.decorator_list if ast.unparse(d) == "overload"), None)
    head = signature(node, [overload] if overload else [], is_async=is_async)
    if overload:
        return head.rstrip() + " ...\n"
    docstring = ast.get_docstring(node, clean=False)
    return f'{head}        """{docstring}"""\n        {call}\n\n'


@functools.cache
def tree_of(module: str) -> ast.Module:
    """Return the parsed source of a module. Callers do not change it."""
    return ast.parse(inspect.getsource(sys.modules[module]))


def collect(node: Function, module: str, imports: dict[str, str]) -> None:
    """Add what the signature of a method needs to the imports."""
    tree = tree_of(module)
    defaults = [d for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None]
    needed = names_in(node) | {n.id for d in defaults for n in ast.walk(d) if isinstance(n, ast.Name)}
    for name in sorted(needed | {ast.unparse(d) for d in node.decorator_list}):
        statement = imported(name, tree, module)
        if statement and imports.setdefault(name, statement) != statement:
            raise SystemExit(f"{name} is two things: {imports[name]}; {statement}")


def text() -> str:
    """Return the text of the module with the methods of `ChatClient`."""
    imports = {"CallingClient": "from tailwire.sdk.all_calls import CallingClient"}
    body = ""
    for group, kind in groups():
        for node in public_methods(kind):
            collect(node, kind.__module__, imports)
            body += forwarded(group, node)
    return formatted(HEAD + "\n".join(sorted(set(imports.values()))) + CLASS + body, TARGET)


def with_callback_parameters(node: ast.AsyncFunctionDef, result: str, on_error: str, required: bool) -> ast.arguments:
    """Return the parameters of an async method and its callbacks; `on_error` may be required."""
    arguments = copy.deepcopy(node.args)
    for name, kind in (("on_success", f"OnSuccess[{result}]"), ("on_error", on_error)):
        arguments.kwonlyargs.append(ast.arg(name, ast.parse(kind, mode="eval").body))
        arguments.kw_defaults.append(None if required and name == "on_error" else ast.Constant(None))
    return arguments


def static_signatures(node: Function) -> str:
    """Return the source of a class method up to its colon, after its overloads."""
    result = ast.unparse(node.returns) if node.returns else "None"
    method = ast.Name("classmethod")
    forms: list[tuple[Function, list[ast.expr]]] = []
    if isinstance(node, ast.AsyncFunctionDef) and node.name not in WITHOUT_CALLBACKS:
        with_error = result if result == "None" else f"{result} | None"
        for on_error, required, returned in (
            ("None", False, result),
            ("OnError", True, with_error),
            ("OnError", False, with_error),
        ):
            is_overload = required or on_error == "None"
            if is_overload and with_error == result:
                continue
            form = copy.copy(node)
            form.args = with_callback_parameters(node, result, on_error, required)
            form.returns = ast.parse(returned, mode="eval").body
            forms.append((form, [ast.Name("overload"), method] if is_overload else [method]))
    else:
        forms.append((node, [*node.decorator_list, method]))
    source = ""
    for form, decorators in forms:
        head = signature(form, decorators, is_async=isinstance(form, ast.AsyncFunctionDef)).replace("(self", "(cls", 1)
        source += head if len(decorators) == 1 else head.rstrip() + " ...\n"
    return source


def static_method(node: Function) -> str:
    """Return the source of the class method that calls a method of the current client."""
    head = static_signatures(node)
    if node.decorator_list:
        return head
    call = f"cls.require_client().{node.name}({passed_arguments(node.args)})"
    if isinstance(node, ast.AsyncFunctionDef):
        plain = node.name in WITHOUT_CALLBACKS
        call = f"await {call}" if plain else f"await with_callbacks(lambda: {call}, on_success, on_error)"
    call = call if node.returns is None or ast.unparse(node.returns) == "None" else f"return {call}"
    summary = (ast.get_docstring(node) or "").partition("\n")[0]
    return f'{head}        """{summary}\n\n        See `ChatClient.{node.name}`.\n        """\n        {call}\n\n'


def static_text() -> str:
    """Return the text of the module with the methods of `CometChat`."""
    from tailwire.sdk.client import ChatClient
    from tailwire.sdk.methods import ClientMethods

    outcome = "from tailwire.sdk.calls.outcome import OnError, OnSuccess, with_callbacks"
    imports = {
        "CurrentClient": "from tailwire.sdk.cometchat.current_client import CurrentClient",
        "overload": "from typing import overload",
        "outcome": outcome,
    }
    body = ""
    for kind in (ClientMethods, ChatClient):
        for node in public_methods(kind):
            if node.name not in NOT_DOCUMENTED:
                collect(node, kind.__module__, imports)
                body += static_method(node)
    return formatted(STATIC_HEAD + "\n".join(sorted(set(imports.values()))) + STATIC_CLASS + body, STATIC)


def main() -> int:
    """Write the modules."""
    for target, make in ((TARGET, text), (STATIC, static_text)):
        made = make()
        target.write_text(made, encoding="utf-8")
        print(f"{target.relative_to(ROOT)}: {made.count(chr(10))} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
