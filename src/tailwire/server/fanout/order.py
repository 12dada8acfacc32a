"""Puts the items of the log (messages and changes of memberships) into the order of their ids, as they arrive.

This is pure state: it neither delivers items nor reads from the store.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from tailwire.server.ports.log import Batch

T = TypeVar("T")
MAX_WAITING_ITEMS = 20_000
"""How many items may be kept while they wait for lower ids. Further ones are dropped, and their ids become doubtful, so
that they are read from the store.
"""
_UNTIL_BELIEVED = sys.maxsize


class Order(Generic[T]):
    """Releases items in the order of their ids, each once.

    Several items may have one id. A range of ids is complete when a record of its commit has come, which follows its
    items. An id is passed when it and all lower ids are complete or were read from the store: its items are released,
    and later ones with this id are ignored. If items may have been lost, their ids are doubtful: records do not count
    for them, and only reading them from the store (`pass_up_to`) passes them.

    Args:
        end: the id after which to begin.

    Attributes:
        end: the last id that was passed.
        highest: the highest id that is known to be committed.
    """

    def __init__(self, end: int) -> None:
        self.end = self.highest = end
        self._waiting: dict[int, list[T]] = {}
        self._count = 0  # how many items wait
        self._ranges: list[tuple[int, int]] = []  # complete beyond `end`, in order, disjoint
        self._doubtful_from = self._doubtful_to = 0  # about these ids only the store is believed; 0 for none
        self._batch: Batch | None = None  # a commit of this process, whose items follow in this turn
        self._expected: deque[int] = deque()
        self._in_order = True  # whether the items of `_batch` have come in the order of their ids so far
        self._current = 0  # the id of `_batch` that was passed last: further items may have it

    # Commits of this process.

    def begin_commit(self, batch: Batch) -> None:
        """Begin a commit of this process: its items follow in `pass_or_keep`, until `finish_commit`."""
        self._batch, self._expected, self._in_order = batch, deque(batch.ids), True
        self.highest = max(self.highest, batch.last)

    def finish_commit(self) -> list[tuple[int, int]]:
        """End the commit of this process, and record the ranges of its ids whose items have all come as complete.

        Returns:
            These ranges, each as its first and last id. They are the whole batch unless items are missing; the ids of
            missing items are in none of them, and must be read from the store.
        """
        batch, missing = self._batch, self._expected
        self._batch, self._expected, self._current = None, deque(), 0
        if batch is None:
            return []
        parts, first = [], batch.first
        for number in [*missing, batch.last + 1]:
            if number > first:
                parts.append((first, number - 1))
            first = number + 1
        for part in parts:
            self.record_complete(*part)
        return parts

    # Items.

    def pass_or_keep(self, number: int, item: T) -> bool:
        """Take an item of this process. Return whether the caller must deliver it now, because it is the next one.

        Otherwise it is kept until `release` returns it, or dropped because its id was passed before.
        """
        if number <= self.end:
            return number == self._current
        expected = self._expected
        if expected and self._batch is not None:
            if expected[0] == number:
                expected.popleft()
                if self._in_order and self._batch.first <= self.end + 1:
                    self.end = self._current = number
                    self._forget_passed()
                    return True
            elif number in expected:
                expected.remove(number)
                self._in_order = False
        self._keep(number, item)
        return False

    def add(self, number: int, item: T) -> None:
        """Keep an item of another process until its id is passed. Ignore one that is kept already or comes too late."""
        if number > self.end and item not in self._waiting.get(number, ()):
            self._keep(number, item)

    def _keep(self, number: int, item: T) -> None:
        if self._count >= MAX_WAITING_ITEMS:
            self.doubt(number, max(number, self.highest))
            return
        self._waiting.setdefault(number, []).append(item)
        self._count += 1

    # Known ids.

    def record_highest(self, highest: int) -> None:
        """Record that ids up to `highest` are committed; their items may not have come."""
        self.highest = max(self.highest, highest)

    def record_complete(self, first: int, last: int) -> None:
        """Record that all items with ids from `first` to `last` have come."""
        self.highest = max(self.highest, last)
        if last <= self.end:
            return
        kept = []
        for known_first, known_last in self._ranges:
            if known_last + 1 < first or last + 1 < known_first:
                kept.append((known_first, known_last))
            else:
                first, last = min(first, known_first), max(last, known_last)
        self._ranges = sorted([*kept, (first, last)])

    def doubt(self, first: int, last: int = _UNTIL_BELIEVED) -> None:
        """Make ids doubtful, because items with them may have been lost: they are passed only by `pass_up_to`.

        Args:
            first: the first of these ids.
            last: the last of them; by default all ids from `first` on are doubtful until `believe` is called.
        """
        first = max(first, self.end + 1)
        if last >= first:
            self._doubtful_from = min(self._doubtful_from or first, first)
            self._doubtful_to = max(self._doubtful_to, last)

    def believe(self) -> None:
        """End the doubt about ids above `highest`, so that records count for them. Lower ids stay doubtful."""
        if self._doubtful_from:
            self._doubtful_to = self.highest
            self._forget_passed()

    # Release.

    def release(self) -> list[T]:
        """Pass the ids that are complete and not doubtful, as far as no id before them is missing.

        Returns:
            Their items in the order of their ids.
        """
        end = self.end
        for first, last in self._ranges:
            if first > end + 1:
                break
            if 0 < self._doubtful_from <= last:
                end = max(end, self._doubtful_from - 1)
                break
            end = max(end, last)
        return self._pass(end)

    def pass_up_to(self, up_to: int, items: Mapping[int, Sequence[T]]) -> list[T]:
        """Pass all ids up to `up_to`, whose items were read from the store, and then do the same as `release`.

        For an id that a record has completed, the items that were kept are used instead of those that were read, unless
        the id is doubtful. Without a record only some of its items may have come.

        Args:
            up_to: the id up to which everything was read.
            items: the items that were read, by id. Ids that were passed before are ignored.

        Returns:
            The items of all passed ids in the order of these ids.
        """
        for number, read in items.items():
            if number <= self.end or number > up_to or (number in self._waiting and self._is_whole(number)):
                continue
            self._count += len(read) - len(self._waiting.get(number, ()))
            self._waiting[number] = list(read)
        self.highest = max(self.highest, up_to)
        return self._pass(max(self.end, up_to)) + self.release()

    def _is_whole(self, number: int) -> bool:
        # Whether all items with an id are known to have come.
        place = bisect_right(self._ranges, (number, _UNTIL_BELIEVED)) - 1
        return place >= 0 and number <= self._ranges[place][1] and not 0 < self._doubtful_from <= number

    def _pass(self, end: int) -> list[T]:
        if end == self.end:
            return []
        passed: list[T] = []
        if self._waiting:
            for number in sorted(number for number in self._waiting if number <= end):
                passed += self._waiting.pop(number)
            self._count -= len(passed)
        self.end = end
        self._current = 0
        self._forget_passed()
        return passed

    def _forget_passed(self) -> None:
        end = self.end
        while self._ranges and self._ranges[0][1] <= end:
            del self._ranges[0]
        while self._expected and self._expected[0] <= end:
            self._expected.popleft()
        if self._doubtful_from:
            self._doubtful_from = max(self._doubtful_from, end + 1)
            if self._doubtful_from > self._doubtful_to:
                self._doubtful_from = self._doubtful_to = 0

    @property
    def behind(self) -> bool:
        """Whether any id is known to be committed and not passed yet."""
        return self.end < self.highest

    @property
    def doubtful(self) -> bool:
        """Whether any id is doubtful, so that the log has to be read from the store."""
        return bool(self._doubtful_from)

    @property
    def unconfirmed(self) -> bool:
        """Whether all later ids are doubtful until `believe` is called."""
        return self._doubtful_to == _UNTIL_BELIEVED
