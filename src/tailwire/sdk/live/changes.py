"""The steps between two states of a list, which a list of widgets can follow.

Applied in order to the old items, the steps produce the new ones. An item is identified by its key; two unequal items
with the same key are a change of that item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar


class Keyed(Protocol):
    """An item with a unique key."""

    @property
    def key(self) -> str: ...


K = TypeVar("K", bound=Keyed)
T_co = TypeVar("T_co", covariant=True)


class ChangeKind(StrEnum):
    """The kind of a change of an item, or of the list."""

    INSERTED = "inserted"
    REMOVED = "removed"
    MOVED = "moved"
    CHANGED = "changed"
    STATUS = "status"
    """Something besides the items has changed: who is typing, `complete`, `gone` or `error`."""
    RESET = "reset"
    """Replace all items: a slow reader has missed changes."""


@dataclass(frozen=True, slots=True)
class Change(Generic[T_co]):
    """One step from the old items to the new ones.

    Attributes:
        kind: what happened.
        at: the index of the item after the step; of a removed item, the index before it; else -1.
        item: the item, or the removed item; None if the change does not concern one item.
        moved_from: the index of a moved item before the step; else -1.
        items: all items, with `reset` only.
    """

    kind: ChangeKind
    at: int = -1
    item: T_co | None = None
    moved_from: int = -1
    items: tuple[T_co, ...] = ()

    def apply(self, rows: list[Any], make: Callable[[T_co], Any] | None = None) -> None:
        """Apply the change to a list of rows that has one row for each item.

        ```python
        live.subscribe(lambda change: change.apply(column.controls, make=widget_of))
        ```

        Args:
            rows: the items, or what `make` returned for them, such as widgets.
            make: returns the row of an item. It is called for new and changed items; rows of moved items are kept.
        """
        made = make if make is not None else _item_itself
        if self.kind is ChangeKind.RESET:
            rows[:] = [made(item) for item in self.items]
        elif self.item is None:
            return
        elif self.kind is ChangeKind.INSERTED:
            rows.insert(self.at, made(self.item))
        elif self.kind is ChangeKind.REMOVED:
            del rows[self.at]
        elif self.kind is ChangeKind.MOVED:
            rows.insert(self.at, rows.pop(self.moved_from))
        else:
            rows[self.at] = made(self.item)


def _item_itself(item: Any) -> Any:
    return item


def steps(old: Sequence[K], new: Sequence[K]) -> list[Change[K]]:
    """Return the steps from one list to another. The keys in each list are unique.

    A common start and end of both lists cost one comparison for each item.
    """
    first, last, end = 0, len(old), len(new)
    while first < min(last, end) and old[first] is new[first]:
        first += 1
    while last > first and end > first and old[last - 1] is new[end - 1]:
        last, end = last - 1, end - 1
    found: list[Change[K]] = []
    place = {item.key: n for n, item in enumerate(new[first:end])}
    work = list(old[first:last])
    for n in range(len(work) - 1, -1, -1):
        if work[n].key not in place:
            found.append(Change(ChangeKind.REMOVED, first + n, work.pop(n)))
    there = {item.key for item in work}
    for n, item in enumerate(new[first:end]):
        if item.key not in there:
            work.insert(n, item)
            found.append(Change(ChangeKind.INSERTED, first + n, item))
            continue
        if work[n].key != item.key:
            _move(work, n, item.key, place, first, found)
        if work[n] is not item and work[n] != item:
            found.append(Change(ChangeKind.CHANGED, first + n, item))
        work[n] = item
    return found


def _move(work: list[K], n: int, key: str, place: dict[str, int], first: int, found: list[Change[K]]) -> None:
    # Move an item that goes down in one step, instead of moving up each item after it.
    if n + 1 < len(work) and work[n + 1].key == key:
        down = work.pop(n)
        to = n + 1
        while to < len(work) and place[work[to].key] < place[down.key]:
            to += 1
        work.insert(to, down)
        found.append(Change(ChangeKind.MOVED, first + to, down, first + n))
        return
    at = next(m for m in range(n, len(work)) if work[m].key == key)
    up = work.pop(at)
    work.insert(n, up)
    found.append(Change(ChangeKind.MOVED, first + n, up, first + at))
