"""Write `client.pyi` and `admin.pyi` of `src/tailwire/sync`: the types of the blocking clients (`make reference`).

Each method of `ChatClient`, and of the parts of `tailwire.admin.Admin`, that a blocking client adopts appears with the
same parameters; async methods return their result directly, and lists are blocking iterators.
"""

from __future__ import annotations

import ast
import functools
import inspect
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FACE = ROOT / "src" / "tailwire" / "sync" / "client.pyi"
ADMIN = FACE.with_name("admin.pyi")
ADMIN_HEAD = '"""Made by `make reference` from `tailwire.admin.Admin`: the types of the blocking one."""\n\n'
HEAD = '"""Made by `make reference` from `ChatClient`: the types of the blocking client."""\n\n'


def taken_over() -> list[str]:
    """Return the names of the methods that `Client` adopts from `ChatClient`, sorted."""
    from tailwire.sync import Client

    return sorted(name for name in vars(Client) if not name.startswith("_"))


def parts() -> dict[str, type]:
    """Return the parts of `tailwire.admin.Admin`, by attribute."""
    from tailwire.admin import groups, keys, messages, roles, users, webhooks
    from tailwire.sync import Admin

    modules = (groups, keys, messages, roles, users, webhooks)
    kinds = {name: kind for module in modules for name, kind in vars(module).items() if isinstance(kind, type)}
    return {attribute: kinds[face.__name__] for attribute, face in Admin._parts.items()}


def definition(owner: type, name: str) -> tuple[ast.FunctionDef, ast.Module, str]:
    """Return a method without its body and as a plain function, its module, and that module's name."""
    function = inspect.unwrap(getattr(owner, name))
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
    raise SystemExit(f"the source of {owner.__name__}.{name} is not found")


@functools.cache
def imports_of(tree: ast.Module) -> dict[str, str]:
    """Return the import statement for each name that a module imports."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            origin = f"from {node.module} " if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                shown = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
                found.setdefault(alias.asname or alias.name, f"{origin}import {shown}")
    return found


def imported(name: str, tree: ast.Module, module: str) -> str:
    """Return the import statement for a name of a module; "" for a builtin."""
    defined = f"from {module} import {name}" if hasattr(sys.modules[module], name) else ""
    return imports_of(tree).get(name, defined)


def names_in(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the names in a function's annotations, including those in strings."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    found: set[str] = set()
    for annotation in [a.annotation for a in arguments] + [function.returns]:
        for node in ast.walk(annotation) if annotation is not None else ():
            if isinstance(node, ast.Name):
                found.add(node.id)
    return found


def methods(owner: type, names: list[str], imports: dict[str, str]) -> str:
    """Return the body of a class in the stub, and add the imports that its annotations need."""
    body: list[str] = []
    for method in names:
        function, tree, module = definition(owner, method)
        returned = function.returns
        if isinstance(returned, ast.Subscript) and ast.unparse(returned.value) == "AsyncIterator":
            returned.value = ast.Name("Iterating")
            imports["Iterating"] = "from tailwire.sync.iterating import Iterating"
        for name in sorted(names_in(function)):
            statement = imported(name, tree, module)
            if name not in ("Listing", "Iterating") and statement and imports.setdefault(name, statement) != statement:
                raise SystemExit(f"{name} is two things: {imports[name]}; {statement}")
        body.append(ast.unparse(function))
    return "".join(f"    {line}\n" for function in body for line in function.splitlines())


def face() -> str:
    """Return the stub of `Client`."""
    from tailwire import ChatClient

    imports = {"Bridge": "from tailwire.sync.bridge import Bridge"}
    body = methods(ChatClient, taken_over(), imports)
    return formatted(HEAD + "\n".join(sorted(set(imports.values()))) + "\n\nclass Client(Bridge):\n" + body)


def admin_face() -> str:
    """Return the stub of `Admin`."""
    bridge = "from tailwire.sync.admin_bridge import"
    imports = {"Bridge": f"{bridge} AdminBridge", "BlockingProxy": "from tailwire.sync.proxy import BlockingProxy"}
    imports["Listing"] = f"{bridge} Listing"
    text, held = "", ""
    for attribute, part in parts().items():
        names = sorted(name for name in vars(part) if not name.startswith("_"))
        text += f"\nclass {part.__name__}(BlockingProxy):\n{methods(part, names, imports)}"
        held += f"    {attribute}: {part.__name__}\n"
    text += f"\nclass Admin(AdminBridge):\n{held}"
    return formatted(ADMIN_HEAD + "\n".join(sorted(set(imports.values()))) + "\n" + text)


def formatted(text: str, target: Path = FACE) -> str:
    """Return Python code formatted as the project does it. The ending of `target` says whether it is a stub."""
    for command in (["check", "--fix-only", "--quiet", "--select", "I"], ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(target), "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return text


def main() -> int:
    """Write the stubs."""
    for file, text in ((FACE, face()), (ADMIN, admin_face())):
        file.write_text(text, encoding="utf-8")
        print(f"{file.relative_to(ROOT)}: {text.count(chr(10))} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
