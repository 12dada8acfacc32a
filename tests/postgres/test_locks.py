"""No transaction that takes the app's lock spans two round trips: read from the code of the store."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import tailwire.server.store.postgres as package

FOLDER = Path(package.__file__).parent
APP_LOCK = 7308895
RESTORE = FOLDER / "dumps.py"  # replaces all contents in one transaction, while no server runs
_OPENS = re.compile(r"^\s*(begin|start\s+transaction|savepoint)\b(?!.*read only)|lock\s+table", re.IGNORECASE)
_OPENING_CALLS = {"transaction", "cursor"}


def spanning(source: str) -> list[str]:
    """Return the code in a module that could hold the lock beyond one call: transactions, locks taken by statements."""
    tree = ast.parse(source)
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documentation:
            text = str(node.value)
            if _OPENS.search(text) or str(APP_LOCK) in text:
                found.append(text)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _OPENING_CALLS:
            readonly = any(
                word.arg == "readonly" and isinstance(word.value, ast.Constant) and word.value.value is True
                for word in node.keywords
            )
            if not readonly:
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("path", sorted(set(FOLDER.rglob("*.py")) - {RESTORE}), ids=lambda path: path.name)
def test_no_module_opens_a_transaction_that_writes(path: Path):
    assert spanning(path.read_text()) == []


def test_check_of_the_source_finds_the_known_ways_to_hold_a_lock():
    assert spanning("async with connection.transaction():\n    pass")
    assert spanning("await c.execute('BEGIN')")
    assert spanning("await c.execute('SELECT pg_advisory_lock(7308895)')")
    assert spanning("LOCK = 7308895")
    assert not spanning("await c.execute('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY')")
    assert not spanning("async with connection.transaction(isolation='repeatable_read', readonly=True):\n    pass")


@pytest.mark.parametrize(
    ("script", "function", "caller"),
    [("writer_1.sql", "tailwire_batch_1", "drafts.py"), ("starts_1.sql", "tailwire_start_1", "starts.py")],
)
def test_lock_of_the_app_is_taken_only_by_two_sql_functions_and_until_they_commit(
    script: str, function: str, caller: str
):
    text = (FOLDER / script).read_text()
    assert text.count("pg_advisory") == text.count(str(APP_LOCK)) == 1
    body = text[text.index(f"CREATE FUNCTION {function}") :]
    assert "pg_advisory_xact_lock" in body
    assert [path.name for path in FOLDER.rglob("*.py") if f"{function}(" in path.read_text()] == [caller]
    assert sum(path.read_text().count(str(APP_LOCK)) for path in FOLDER.rglob("*.sql")) == 2
