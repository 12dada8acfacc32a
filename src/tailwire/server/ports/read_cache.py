"""A bounded cache of what was read from the store. Reported changes (see `ports.changes`) keep it current."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Generic, TypeVar

from tailwire.server.ports.changes import ChangeFeed

V = TypeVar("V")


class ReadCache(Generic[V]):
    """A bounded cache of values by key. When it is full, a value that was not used lately is dropped.

    A value that is None is not kept. The owner of the cache listens to the feed of changes, and calls `forget`,
    `forget_group` or `clear` for the values that a change concerns.

    Args:
        feed: tells whether rows in memory are current. While they are not, values are read from the store each time.
        most: how many values are kept at most.
    """

    def __init__(self, feed: ChangeFeed, most: int) -> None:
        self._feed = feed
        self._most = most
        self._found: dict[str, tuple[V, frozenset[str]]] = {}
        self._keys_of: dict[str, set[str]] = {}  # by group
        # Reads in progress: one that began before a change may return an outdated value, which is not kept.
        self._reading: dict[str, object] = {}

    def __len__(self) -> int:
        return len(self._found)

    def peek(self, key: str) -> V | None:
        """Return the value in memory; None if there is none, or rows in memory are not current."""
        known = self._found.get(key)
        if known is None or not self._feed.is_current():
            return None
        if len(self._found) >= self._most // 2:  # before that, nothing is dropped soon
            self._found[key] = self._found.pop(key)
        return known[0]

    async def get(
        self, key: str, read: Callable[[], Awaitable[V]], groups: Callable[[V], Collection[str]] = lambda value: ()
    ) -> V:
        """Return the value in memory if there is one and it is current; otherwise read it.

        The value that was read is kept, unless it is None, was forgotten during the read, or is not current.

        Args:
            key: the key of the value.
            read: reads the value from the store. What it raises is passed on.
            groups: returns the names of the groups to which a value that was read belongs, such as the uids on which it
                depends. `forget_group` with any of them forgets the value.
        """
        known = self.peek(key)
        if known is not None:
            return known
        mine = self._reading[key] = object()
        try:
            value = await read()
        finally:
            unchanged = self._reading.get(key) is mine
            if unchanged:
                del self._reading[key]
        if unchanged and value is not None and self._feed.is_current():
            self._keep(key, value, groups(value))
        return value

    def _keep(self, key: str, value: V, groups: Collection[str]) -> None:
        self._drop(key)
        if len(self._found) >= self._most:
            self._drop(next(iter(self._found)))
        distinct = frozenset(groups)
        self._found[key] = value, distinct
        for group in distinct:
            self._keys_of.setdefault(group, set()).add(key)

    def forget(self, key: str) -> None:
        """Forget a value, because it has changed. What a read in progress returns for it is not kept either."""
        self._reading.pop(key, None)
        self._drop(key)

    def forget_group(self, group: str) -> None:
        """Forget all values that belong to a group (see `get`). What reads in progress return is not kept either."""
        self._reading.clear()  # it is not known yet to which groups their values will belong
        for key in list(self._keys_of.get(group, ())):
            self._drop(key)

    def clear(self) -> None:
        """Forget all values. What reads in progress return is not kept either."""
        self._reading.clear()
        self._found.clear()
        self._keys_of.clear()

    def _drop(self, key: str) -> None:
        known = self._found.pop(key, None)
        for group in known[1] if known is not None else ():
            keys = self._keys_of[group]
            keys.discard(key)
            if not keys:
                del self._keys_of[group]
