"""Keeps modules small and classes narrow, and each package with its door plate (CONTRIBUTING.md, Habits)."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "tailwire"
MAX_LINES = 400
MAX_METHODS = 25
MAX_FUNCTION = 60

# Named exceptions, each a decision: path to the most lines, and why.
LONGER: dict[str, tuple[int, str]] = {}


def problems(path: Path) -> list[str]:
    """What is wrong with a module."""
    found = []
    text = path.read_text(encoding="utf-8")
    name = str(path.relative_to(SOURCE))
    lines = text.count("\n")
    most = LONGER.get(name, (MAX_LINES, ""))[0]
    if lines > most:
        found.append(f"{name}: {lines} lines, at most {most}")
    tree = ast.parse(text)
    if path.name == "__init__.py" and path.parent != SOURCE and "versions" not in name:
        plate = ast.get_docstring(tree) or ""
        if "Who may import it" not in plate or not ("Read more" in plate or "Design page" in plate):
            found.append(f"{name}: no door plate (what lives here, who may import it, where to read more)")
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            methods = sum(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) for n in node.body)
            protocol = any(isinstance(b, ast.Name) and b.id == "Protocol" for b in node.bases)
            if methods > MAX_METHODS and not protocol:
                found.append(f"{name}: class {node.name} has {methods} methods, at most {MAX_METHODS}")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > MAX_FUNCTION and "migrations" not in name:
                found.append(f"{name}: {node.name} has {length} lines, at most {MAX_FUNCTION}")
    return found


def main() -> int:
    """Check all modules."""
    found = [p for path in sorted(SOURCE.rglob("*.py")) for p in problems(path)]
    print("\n".join(found) or "sizes: all within bounds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
