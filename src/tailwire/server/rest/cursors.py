"""Cursors of lists: a cursor is a text that encodes where a page ended. Clients send it back unchanged.

The page after a cursor is found by a database index, wherever it is in the list, and is not shifted by rows that are
added or removed meanwhile. The response has no total, because counting would read the whole list.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec

from tailwire.server.ports.filters import Position
from tailwire.server.ports.refusal import Refused
from tailwire.server.rules.decoding import decode

START_CURSOR = "start"
MAX_CHARACTERS = 1000
_MAX_NUMBER = 2**63 - 1
Row = TypeVar("Row")
Cursor = Annotated[
    str,
    msgspec.Meta(
        max_length=MAX_CHARACTERS,
        description=f"`{START_CURSOR}`, then `meta.next.cursor` of the previous page: continues there, with no total.",
    ),
]


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list that is read by cursor.

    Attributes:
        name: the name of the order; a cursor that was made in another order is refused.
        columns: the attributes of a row by which the list is ordered, the first one first, with their types. No two
            rows have the same values in all of them.
    """

    name: str
    columns: Mapping[str, type]

    def position_in(self, cursor: str) -> Position:
        """Return the position that a cursor encodes: the values of `columns` in the last row of the page before it.

        Returns:
            The values; `()` for `START_CURSOR`, the start of the list.

        Raises:
            Refused: ERR_BAD_REQUEST, the text is not a cursor, or is the cursor of a list in another order.
        """
        if cursor == START_CURSOR:
            return ()
        try:
            text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
            found: Any = decode(text, list, "cursor")
        except (ValueError, binascii.Error, Refused):
            found = None
        if not isinstance(found, list) or not found or not isinstance(found[0], str):
            raise Refused("ERR_BAD_REQUEST", {"cursor": f"Use {START_CURSOR}, or meta.next.cursor of the page before."})
        name, *values = found
        fits = len(values) == len(self.columns) and all(map(_has_type, values, self.columns.values()))
        if name != self.name or not fits:
            raise Refused(
                "ERR_BAD_REQUEST", {"cursor": f"It belongs to another list or order. Begin with {START_CURSOR}."}
            )
        return tuple(values)

    def page(
        self,
        rows: Sequence[Row],
        size: int,
        render: Callable[[Row], Any],
        stored: Callable[[Row], Any] = lambda row: row,
    ) -> dict[str, Any]:
        """Return a page of the list as the body of a response: `data`, and `meta.next` with the next page's cursor.

        `meta.next` is empty on the last page.

        Args:
            rows: the rows of the page in order, and the row after them if there is one.
            size: the number of rows of a full page.
            render: returns the JSON form of a row.
            stored: returns the object with the attributes `columns` of a row; by default the row itself.
        """
        kept, following = rows[:size], {}
        if len(rows) > size:
            last = stored(kept[-1])
            position = [self.name, *(getattr(last, column) for column in self.columns)]
            following = {"cursor": base64.urlsafe_b64encode(msgspec.json.encode(position)).rstrip(b"=").decode()}
        return {"data": [render(row) for row in kept], "meta": {"next": following}}


def _has_type(value: Any, kind: type) -> bool:
    if kind is int:
        return type(value) is int and 0 <= value <= _MAX_NUMBER
    return isinstance(value, str) and "\0" not in value


def order_by(sort_by: str, sort_order: str, key: str) -> Order:
    """Return the `Order` of users or groups by a field that the database has an index of.

    Args:
        sort_by: `name`, `createdAt`, or the value of `key`.
        sort_order: `desc` for a descending order; anything else for an ascending one.
        key: the field that identifies a row: `uid` or `guid`.

    Raises:
        Refused: ERR_BAD_REQUEST, `sort_by` is another field.
    """
    columns: dict[str, dict[str, type]] = {
        "name": {"name": str, key: str}, key: {key: str}, "createdAt": {"created_at": int, key: str},
    }  # fmt: skip
    if sort_by not in columns:
        raise Refused("ERR_BAD_REQUEST", {"sortBy": f"With a cursor, use {', '.join(columns)}."})
    return Order(f"{'-' if sort_order == 'desc' else ''}{sort_by}", columns[sort_by])
