"""The steps that turn one state of a list into the next, so that an app can update its list of widgets step by step.

Each step inserts, removes, moves or changes one item. Its indices refer to the list after all previous steps. An item
is identified by its key: if the old and the new item with a key are unequal, that item has changed.
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
    """No item has changed, but another property of the list has: `typing`, `complete`, `gone` or `error`."""
    RESET = "reset"
    """All items have to be replaced by `Change.items`, because a slow reader has missed changes."""


@dataclass(frozen=True, slots=True)
class Change(Generic[T_co]):
    """One step from the old items of a list to the new ones.

    Attributes:
        kind: what happened.
        at: the index of the item in the list after this step, or, if it was removed, before this step; -1 with `status`
            and `reset`.
        item: the inserted, removed, moved or changed item; None with `status` and `reset`.
        moved_from: the index of a moved item in the list before this step; -1 with any other kind.
        items: with `reset`, all current items; else empty.
    """

    kind: ChangeKind
    at: int = -1
    item: T_co | None = None
    moved_from: int = -1
    items: tuple[T_co, ...] = ()

    def apply(self, rows: list[Any], make: Callable[[T_co], Any] | None = None) -> None:
        """Apply this step in place to `rows`, a list that has one element for each item. `status` changes nothing.

        ```python
        live.subscribe(lambda change: change.apply(column.controls, make=widget_of))
        ```

        Args:
            rows: the items themselves, or, with `make`, what it returned for them, such as widgets.
            make: returns the row for an item. It is called for each inserted or changed item, and for all items of a
                `reset`. The row of a moved item is moved. Without it, the items are the rows.
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
    """Return the steps that turn `old` into `new`, to be applied in order. The keys within each list are unique.

    Items at the start and at the end that are the same objects in both lists cost one comparison each. The time for the
    part between grows with the square of its length at worst.
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
    # Bring the item with this key to index `n` of `work`. If it is the next one, move the item at `n` down to its new
    # place instead: that is one step, while otherwise each item after it would move up.
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
