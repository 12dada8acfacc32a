"""SQL conditions that several lists share. Each function appends the values of its `?` to those of the query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailwire.server.ports.filters import Position
from tailwire.server.store.sql.connection import Dialect
from tailwire.server.store.sql.folding import fold


def prefix_condition(dialect: Dialect, columns: Sequence[str], prefix: str, values: list[Any]) -> str:
    """Return the condition that at least one of the columns starts with a prefix, ignoring case.

    Args:
        values: the values of the `?` before it; those of the condition are appended.
    """
    values += [fold(prefix)] * (2 * len(columns))
    return "(" + " OR ".join(f"substr({dialect.lower(c)}, 1, length(?)) = ?" for c in columns) + ")"


def any_tag_condition(dialect: Dialect, column: str, selected: Sequence[str], values: list[Any]) -> str:
    """Return the condition that a column, a JSON list of tags, contains at least one of the given tags.

    Args:
        values: the values of the `?` before it; those of the condition are appended.
    """
    return f"EXISTS (SELECT 1 FROM {dialect.texts(column)} WHERE {dialect.any_of('value', selected, values)})"


def page_clause(
    condition: str,
    columns: Sequence[str],
    position: Position,
    limit: int,
    values: list[Any],
    *,
    descending: bool = False,
) -> str:
    """Return the WHERE, ORDER BY and LIMIT of a query for one page of a list: the rows after a position.

    Args:
        condition: selects the rows of the whole list.
        columns: the columns by which the list is ordered, all in the same direction; together they are unique.
        position: the values of these columns in the last row of the page before; empty for the first page.
        limit: the highest number of rows.
        values: the values of the `?` before it and of the condition; those of the position and limit are appended.
        descending: True for descending order, False for ascending.
    """
    if position:
        condition += f" AND ({', '.join(columns)}) {'<' if descending else '>'} ({', '.join('?' for _ in columns)})"
        values += position
    values.append(limit)
    order = ", ".join(f"{column} DESC" if descending else column for column in columns)
    return f"WHERE {condition} ORDER BY {order} LIMIT ?"
