"""Check the sizes of modules, classes and functions, and the docstring of each package (CONTRIBUTING.md, Rules)."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "tailwire"
MAX_LINES = 400
MAX_METHODS = 25
MAX_FUNCTION = 60

# Named exceptions, each a decision.
LONGER: dict[str, str] = {
    "sdk/cometchat/static_methods.py": "generated: the static methods of CometChat",
    "sdk/methods.py": "generated: the flat methods of ChatClient, with their docstrings",
}
"""Modules that may be longer, and why."""
LIVE_LIST = "an app sees one object: LiveList has the requests and subscriptions, its two kinds what they apply"
FLAT = "the blocking client is as flat as ChatClient, and also has the thread, the loop and the factories"
WIDER: dict[str, str] = {
    "sdk.methods.ClientMethods": "generated: the flat methods of the documented class, which forward to groups of calls",
    "sdk.cometchat.static_methods.StaticMethods": "generated: the static methods of the documented class",
    "sdk.cometchat.face.CometChat": "inherits StaticMethods",
    "sdk.client.ChatClient": "inherits ClientMethods",
    "sdk.calls.message_requests.MessagesRequestBuilder": "documented: a method for each filter",
    "sdk.live.conversations.LiveConversations": LIVE_LIST,
    "sdk.live.messages.LiveMessages": LIVE_LIST,
    "sync.bridge.Bridge": FLAT,
    "sync.client.Client": FLAT,
}
"""Classes that may have more methods, and why."""
HOOKS = "tailwire.sdk.listeners.interfaces"
"""A class that implements listeners does not grow by the hooks that it leaves as they are."""


def problems(path: Path) -> list[str]:
    """Return the problems of a module."""
    found = []
    text = path.read_text(encoding="utf-8")
    name = str(path.relative_to(SOURCE))
    lines = text.count("\n")
    if lines > MAX_LINES and name not in LONGER:
        found.append(f"{name}: {lines} lines, at most {MAX_LINES}")
    tree = ast.parse(text)
    if path.name == "__init__.py" and path.parent != SOURCE and "versions" not in name:
        text = ast.get_docstring(tree) or ""
        if "Who may import it" not in text or "Read more" not in text:
            found.append(f"{name}: the docstring does not say who may import it, and where to read more")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > MAX_FUNCTION and "migrations" not in name:
                found.append(f"{name}: {node.name} has {length} lines, at most {MAX_FUNCTION}")
    return found


Key = tuple[str, str]  # module and name of a class


class Classes:
    """The classes of the package with their methods, including those that they inherit from each other."""

    def __init__(self, paths: list[Path]) -> None:
        self._nodes: dict[Key, ast.ClassDef] = {}
        self._imports: dict[str, dict[str, Key]] = {}
        for path in paths:
            module = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = self._imports[module] = {}
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    self._nodes[module, node.name] = node
                elif isinstance(node, ast.ImportFrom) and node.module:
                    names.update({a.asname or a.name: (node.module, a.name) for a in node.names})

    def bases(self, key: Key) -> list[Key]:
        """Return the classes of the package that a class is derived from."""
        found = []
        for base in self._nodes[key].bases:
            base = base.value if isinstance(base, ast.Subscript) else base
            if isinstance(base, ast.Name):
                known = self._imports[key[0]].get(base.id, (key[0], base.id))
                found += [known] if known in self._nodes else []
        return found

    def methods(self, key: Key) -> set[str]:
        """Return the names of the methods of a class, own and inherited. Overrides and overloads count once."""
        own = {n.name for n in self._nodes[key].body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
        return own.union(*(self.methods(base) for base in self.bases(key) if base[0] != HOOKS))

    def is_protocol(self, key: Key) -> bool:
        """Return whether a class is a protocol: an interface has no size of its own."""
        bases = [b.value if isinstance(b, ast.Subscript) else b for b in self._nodes[key].bases]
        return any(isinstance(b, ast.Name) and b.id == "Protocol" for b in bases)

    def problems(self) -> list[str]:
        """Return the classes with too many methods, and the exceptions that are no longer needed."""
        found, wide = [], set[str]()
        for key in sorted(self._nodes):
            name, count = ".".join(key).removeprefix("tailwire."), len(self.methods(key))
            if count > MAX_METHODS and not self.is_protocol(key):
                wide.add(name)
                if name not in WIDER:
                    found.append(f"{name} has {count} methods with those that it inherits, at most {MAX_METHODS}")
        return found + [f"{name} is no longer too large: take it out of WIDER" for name in WIDER if name not in wide]


def main() -> int:
    """Check all modules."""
    paths = sorted(SOURCE.rglob("*.py"))
    found = [p for path in paths for p in problems(path)] + Classes(paths).problems()
    print("\n".join(found) or "sizes: all within bounds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
