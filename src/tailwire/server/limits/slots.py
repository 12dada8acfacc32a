"""How many there may be of one address at once: each takes a slot, and frees it when it is gone."""

from __future__ import annotations

from tailwire.server.limits.networks import counted_as


class Slot:
    """A slot that was taken."""

    __slots__ = ("_key", "_slots")

    def __init__(self, slots: ConnectionSlots, key: str) -> None:
        self._slots: ConnectionSlots | None = slots
        self._key = key

    def free(self) -> None:
        """Give it back; more than once is once."""
        slots, self._slots = self._slots, None
        if slots is not None:
            slots._freed(self._key)


class ConnectionSlots:
    """Places, by address.

    Args:
        most: of one address; 0 for any number.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: dict[str, int] = {}  # of those who are here: as many as there are connections, at most

    def take(self, address: str) -> Slot | None:
        """Take a slot; None when the address has as many as it may."""
        key = counted_as(address)
        taken = self._taken.get(key, 0)
        if 0 < self._most <= taken:
            return None
        self._taken[key] = taken + 1
        return Slot(self, key)

    def _freed(self, key: str) -> None:
        left = self._taken[key] - 1
        if left:
            self._taken[key] = left
        else:
            del self._taken[key]

    def taken(self, address: str) -> int:
        """How many an address has."""
        return self._taken.get(counted_as(address), 0)
