"""What changed in a list, step by step, so that a list of widgets can follow.

Rules: the steps lead from the items of before to those of now when they are applied one after the other; an item is
known by its key, and two items of one key that are not equal are a change of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar


class Keyed(Protocol):
    """An item that can be told from others."""

    @property
    def key(self) -> str: ...


K = TypeVar("K", bound=Keyed)
T_co = TypeVar("T_co", covariant=True)


class ChangeKind(StrEnum):
    """What became of an item, or of the list."""

    INSERTED = "inserted"
    REMOVED = "removed"
    MOVED = "moved"
    CHANGED = "changed"
    STATUS = "status"
    """Something beside the items: who types, whether there is more, an error."""
    RESET = "reset"
    """More has changed than was kept for a slow reader: show `items` anew."""


@dataclass(frozen=True, slots=True)
class Change(Generic[T_co]):
    """One step from the items of before to those of now.

    Attributes:
        kind: what happened.
        at: the index that the item has after the step; the one that it had, when it was removed; else -1.
        item: the item as it is now, or as it was when it was removed; None where the change is no item's.
        moved_from: the index before the step, of an item that moved; else -1.
        items: with `reset`: all items.
    """

    kind: ChangeKind
    at: int = -1
    item: T_co | None = None
    moved_from: int = -1
    items: tuple[T_co, ...] = ()

    def apply(self, rows: list[Any], make: Callable[[T_co], Any] | None = None) -> None:
        """Change a list of one's own in the same way: rows that were as `items` before are as `items` afterwards.

        ```python
        live.subscribe(lambda change: change.apply(column.controls, make=widget_of))
        ```

        Args:
            rows: the items; or what was made of each, such as widgets.
            make: returns what stands for an item in `rows`. It is called for those that are new or changed; what stands
                for an item that moved stays the same.
        """
        made = make if make is not None else _itself
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


def _itself(item: Any) -> Any:
    return item


def steps(old: Sequence[K], new: Sequence[K]) -> list[Change[K]]:
    """Return what leads from one list to another. The keys of each are unique.

    What both begin and end with costs a comparison for each item; only what lies between is looked at closely.
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
    # One that goes down is moved once, instead of all that it stood before going up.
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
