"""Writes pages that a script generates, for the scripts behind `make reference`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def write(pages: Mapping[Path, str]) -> None:
    """Write pages, and print how long each is."""
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
