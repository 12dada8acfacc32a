"""Write `src/tailwire/sync/client.pyi`: what a type checker sees of the blocking client (`make reference`).

Each method of `ChatClient` that the blocking client takes over stands there with the same parameters; what is async
there returns its result here.
"""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FACE = ROOT / "src" / "tailwire" / "sync" / "client.pyi"
HEAD = '"""Made by `make reference` from `ChatClient`: the types of the blocking client."""\n\n'


def taken_over() -> list[str]:
    """The names of the methods that `Client` has from `ChatClient`, sorted."""
    from tailwire.sync import Client

    return sorted(name for name in vars(Client) if not name.startswith("_"))


def definition(name: str) -> tuple[ast.FunctionDef, ast.Module, str]:
    """A method of `ChatClient` as a blocking one, the module where it stands, and that module's name."""
    from tailwire import ChatClient

    function = inspect.unwrap(getattr(ChatClient, name))
    module = sys.modules[function.__module__]
    tree = ast.parse(inspect.getsource(module))
    lines = function.__code__.co_firstlineno
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first == lines:
                made = ast.FunctionDef(name, node.args, [ast.Expr(ast.Constant(...))], [], node.returns)
                made.args.defaults = [ast.Constant(...) for _ in made.args.defaults]
                made.args.kw_defaults = [d and ast.Constant(...) for d in made.args.kw_defaults]
                return ast.fix_missing_locations(ast.copy_location(made, node)), tree, module.__name__
    raise SystemExit(f"the source of ChatClient.{name} is not found")


def imported(name: str, tree: ast.Module, module: str) -> str:
    """The statement that makes a name of a module known elsewhere; "" for a builtin."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    shown = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
                    return (
                        f"from {node.module} import {shown}" if isinstance(node, ast.ImportFrom) else f"import {shown}"
                    )
    return f"from {module} import {name}" if hasattr(sys.modules[module], name) else ""


def names_in(function: ast.FunctionDef) -> set[str]:
    """The names in the annotations of a function, also in those that are text."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    found: set[str] = set()
    for annotation in [a.annotation for a in arguments] + [function.returns]:
        for node in ast.walk(annotation) if annotation is not None else ():
            if isinstance(node, ast.Name):
                found.add(node.id)
    return found


def face() -> str:
    """The text of the stub."""
    imports: dict[str, str] = {"Bridge": "from tailwire.sync.bridge import Bridge"}
    body: list[str] = []
    for method in taken_over():
        function, tree, module = definition(method)
        for name in sorted(names_in(function)):
            statement = imported(name, tree, module)
            if statement and imports.setdefault(name, statement) != statement:
                raise SystemExit(f"{name} is two things: {imports[name]}; {statement}")
        body.append(ast.unparse(function))
    text = "\n".join(sorted(set(imports.values()))) + "\n\nclass Client(Bridge):\n"
    text += "".join(f"    {line}\n" for function in body for line in function.splitlines())
    return formatted(HEAD + text)


def formatted(text: str) -> str:
    """Python as the project formats it."""
    for command in (["check", "--fix-only", "--quiet", "--select", "I"], ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(FACE), "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return text


def main() -> int:
    """Write the stub."""
    text = face()
    FACE.write_text(text, encoding="utf-8")
    print(f"{FACE.relative_to(ROOT)}: {text.count(chr(10))} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
