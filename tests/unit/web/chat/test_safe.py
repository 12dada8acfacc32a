"""Addresses in the texts of the web chat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import page_modules

IMPORTS = 'import { parts } from "./safe.js";'


def run(tmp_path: Path, code: str) -> Any:
    return page_modules.run(tmp_path, "chat", IMPORTS, code)


def test_marks_after_an_address_are_not_part_of_it(tmp_path):
    found = run(
        tmp_path, 'return parts("(see https://a.example/x_(y)!?), or http://b.example.").map((one) => one.said ?? one);'
    )
    assert found == ["(see ", "https://a.example/x_(y", ")!?), or ", "http://b.example", "."]


def test_address_with_many_marks_takes_no_time_that_grows_faster_than_the_text(tmp_path):
    """A quadratic search would take minutes for this text."""
    length = run(tmp_path, 'return parts("https://a.example/" + ")".repeat(1_000_000) + "x")[0].said.length;')
    assert length == 1_000_019
