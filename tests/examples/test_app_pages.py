"""The code of docs/apps.md is valid Python, uses existing names, and matches the tested recipes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import tailwire
from tailwire.sync import Client

ROOT = Path(__file__).parents[2]
BLOCKS = [
    block
    for page in [ROOT / "docs" / "apps.md"]
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
]


def test_nicegui_recipe_matches_the_tested_one():
    app = (ROOT / "tests" / "adapters" / "nicegui_app.py").read_text(encoding="utf-8")
    recipe = app.partition("# recipe\n")[2].partition("\n\n# end")[0].strip()
    assert recipe in [block.strip() for block in BLOCKS]


def test_documented_code_uses_existing_names():
    assert BLOCKS
    for block in BLOCKS:
        tree = compile(block, "block", "exec", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "tailwire":
                assert [alias.name for alias in node.names if not hasattr(tailwire, alias.name)] == []
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "chat":
                assert hasattr(tailwire.ChatClient, node.attr) or hasattr(Client, node.attr), node.attr
