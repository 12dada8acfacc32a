"""The text of the writer's SQL, which the migrations install."""

from __future__ import annotations

from pathlib import Path


def text() -> str:
    """Return the statements that create the writer's tables and functions."""
    return Path(__file__).with_name("writer_1.sql").read_text(encoding="utf-8")
