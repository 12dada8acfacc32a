"""Changes one row to what a function makes of it, unless the row changes between the reading and the writing."""

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
    """Change a row, and tell all processes. Return the changed row, or None if there is no such row.

    Args:
        row_type: a dataclass with the columns of the table.
        key: the column that identifies the row, and its value.
        kind: the kind of the change in the log.
        change: returns the changed row. If others change the row at the same time, it is called again.

    Raises:
        Refused: raised by `change`; ERR_UNAVAILABLE if others change the row again and again.
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
