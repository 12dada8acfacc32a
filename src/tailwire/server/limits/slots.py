"""Limits the simultaneous connections from one address: each occupies a slot, and frees it when it ends."""

from __future__ import annotations

from tailwire.server.limits.networks import counting_key


class Slot:
    """A slot that a connection occupies."""

    __slots__ = ("_key", "_slots")

    def __init__(self, slots: ConnectionSlots, key: str) -> None:
        self._slots: ConnectionSlots | None = slots
        self._key = key

    def free(self) -> None:
        """Free the slot. Further calls have no effect."""
        slots, self._slots = self._slots, None
        if slots is not None:
            slots._release(self._key)


class ConnectionSlots:
    """Limits the number of connections from each IP address (IPv6: from each /64 network).

    Args:
        most: how many connections one address may have at the same time; 0 for no limit.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: dict[str, int] = {}  # only addresses with a connection

    def take(self, address: str) -> Slot | None:
        """Take a slot for a new connection from an address. The caller frees it when the connection ends.

        Returns:
            The slot; None if the address has as many connections as it may have.
        """
        key = counting_key(address)
        taken = self._taken.get(key, 0)
        if 0 < self._most <= taken:
            return None
        self._taken[key] = taken + 1
        return Slot(self, key)

    def _release(self, key: str) -> None:
        left = self._taken[key] - 1
        if left:
            self._taken[key] = left
        else:
            del self._taken[key]

    def count_taken(self, address: str) -> int:
        """Return how many slots of an address are in use."""
        return self._taken.get(counting_key(address), 0)
