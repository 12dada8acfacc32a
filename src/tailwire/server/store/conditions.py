"""SQL conditions that several lists share. Each appends its values to those of the query."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def starts_with(columns: Sequence[str], prefix: str, values: list[Any]) -> str:
    """Return the condition that one of some columns starts with a prefix, ignoring case."""
    values += [prefix.lower()] * (2 * len(columns))
    return "(" + " OR ".join(f"substr(lower({c}), 1, length(?)) = ?" for c in columns) + ")"


def one_of(column: str, wanted: Sequence[str], values: list[Any]) -> str:
    """Return the condition that a column has one of any number of values."""
    values.append(json.dumps(list(wanted)))
    return f"{column} IN (SELECT value FROM json_each(?))"


def tagged(column: str, wanted: Sequence[str], values: list[Any]) -> str:
    """Return the condition that a column, a JSON list of tags, contains one of some tags."""
    return f"EXISTS (SELECT 1 FROM json_each({column}) WHERE {one_of('value', wanted, values)})"
