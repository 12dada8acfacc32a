"""Reads one row, changes it with a function, and writes it; starts over if another write changed it meanwhile."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from tailwire.server.store.postgres.access import DatabaseAccess, as_row, update
from tailwire.server.store.postgres.unit import Unit

R = TypeVar("R")


async def change_row(
    access: DatabaseAccess, row_type: type[R], table: str, key: tuple[str, str], kind: str, change: Callable[[R], R]
) -> R | None:
    """Change a row with a function, and tell all processes to forget their cached copies of it.

    Args:
        row_type: a dataclass with the columns of the table.
        key: the column that identifies the row, and its value.
        kind: the `Change.kind` that is reported, with the value as its key.
        change: gets the row and returns the changed one. Called again each time another write is faster.

    Returns:
        The changed row; None if there is no such row.

    Raises:
        Refused: raised by `change`; ERR_UNAVAILABLE, other writes were faster too often.
    """
    column, value = key
    names = [field.name for field in dataclasses.fields(row_type)]  # type: ignore[arg-type]

    async def attempt() -> R | None:
        sql = f"SELECT CAST(xmin AS text), {', '.join(names)} FROM {table} WHERE {column} = :value"
        row = await access.reads.first_row(sql, {"value": value})
        if row is None:
            return None
        changed = change(row_type(*row[1:]))
        columns: dict[str, Any] = dataclasses.asdict(changed)  # type: ignore[call-overload]
        unit = Unit()
        unit.require_unchanged(
            f"(SELECT xmin::text FROM {table} WHERE {column} = :value) = :seen", value=value, seen=row[0]
        )
        unit.run(update(table, names, f"{column} = :value"), row=as_row(columns), value=value)
        unit.invalidate(kind, value)
        await access.carry_out(unit)
        return changed

    return await access.decide((kind, value), attempt)
