"""Expressions that PostgreSQL writes differently (see `sql.connection.Dialect`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class PostgresDialect:
    """SQL of PostgreSQL."""

    name = "postgresql"
    greatest = "greatest"

    def lower(self, text: str) -> str:
        return f"lower({text})"

    def contains(self, text: str, part: str) -> str:
        return f"strpos({text}, {part}) > 0"

    def any_of(self, column: str, selected: Sequence[str] | Sequence[int], values: list[Any]) -> str:
        values.append(list(selected))
        return f"{column} = ANY(?)"

    def texts(self, column: str) -> str:
        return f"unnest(tailwire_texts({column})) AS texts (value)"

    def by_index(self, index: str) -> str:
        return ""
