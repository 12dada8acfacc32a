"""Expressions that SQLite writes differently (see `sql.connection.Dialect`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


class SqliteDialect:
    """SQL of SQLite."""

    name = "sqlite"
    greatest = "max"

    def lower(self, text: str) -> str:
        return f"fold({text})"

    def contains(self, text: str, part: str) -> str:
        return f"instr({text}, {part}) > 0"

    def any_of(self, column: str, selected: Sequence[str] | Sequence[int], values: list[Any]) -> str:
        values.append(json.dumps(list(selected)))
        return f"{column} IN (SELECT value FROM json_each(?))"

    def texts(self, column: str) -> str:
        return f"json_each({column})"

    def by_index(self, index: str) -> str:
        return f" INDEXED BY {index}"
