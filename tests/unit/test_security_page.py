"""SECURITY.md names tests that exist, and each threat has a defence and evidence."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def threats() -> list[list[str]]:
    """Return the rows of the tables of threats, as cells."""
    lines = PAGE.partition("## Threats and defences")[2].splitlines()
    rows = [line for line in lines if line.startswith("|") and not line.startswith(("| threat |", "| --- |"))]
    return [row.strip("| ").split(" | ") for row in rows]


def test_each_test_that_is_named_exists():
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 40
    for file, name in named:
        path = ROOT / "tests" / file
        assert path.exists(), file
        assert re.search(rf"^(async )?def {name}\(", path.read_text(encoding="utf-8"), re.M), f"{file}::{name}"


def test_each_threat_has_a_defence_and_evidence():
    rows = threats()
    assert len(rows) > 40
    for row in rows:
        threat, defence, shown = row
        assert threat, row
        assert defence, row
        assert "::" in shown or "covered by the tests of" in shown, row
