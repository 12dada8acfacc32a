"""The SQL of the tables and functions with which batches are written. The migrations install it."""

from __future__ import annotations

from pathlib import Path


def text() -> str:
    """Return the statements of `writer_1.sql`, which create these tables and functions."""
    return Path(__file__).with_name("writer_1.sql").read_text(encoding="utf-8")
