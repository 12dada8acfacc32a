"""Changes one row to what a function makes of it."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")


def change_row(
    c: sqlite3.Connection, row_type: type[R], table: str, key: tuple[str, str], change: Callable[[R], R]
) -> R | None:
    """Change a row within an operation. Return the changed row, or None if there is no such row.

    Args:
        row_type: a dataclass with the columns of the table.
        key: the column that identifies the row, and its value.
        change: returns the changed row.

    Raises:
        Refused: raised by `change`.
    """
    column, value = key
    names = [field.name for field in dataclasses.fields(row_type)]  # type: ignore[arg-type]
    row = c.execute(f"SELECT {', '.join(names)} FROM {table} WHERE {column} = ?", (value,)).fetchone()
    if row is None:
        return None
    changed = change(row_type(*row))
    assignments = ", ".join(f"{name} = ?" for name in names)
    values = dataclasses.astuple(changed)  # type: ignore[call-overload]
    c.execute(f"UPDATE {table} SET {assignments} WHERE {column} = ?", (*values, value))
    return changed
