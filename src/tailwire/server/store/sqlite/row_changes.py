"""Reads one row, changes it with a function, and writes it."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")


def change_row(
    c: sqlite3.Connection, row_type: type[R], table: str, key: tuple[str, str], change: Callable[[R], R]
) -> R | None:
    """Change a row with a function. For use in an operation of the writer.

    Args:
        c: the writer's connection.
        row_type: a dataclass with the columns of the table.
        key: the column that identifies the row, and its value.
        change: gets the row and returns the changed one.

    Returns:
        The changed row; None if there is no such row.

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
