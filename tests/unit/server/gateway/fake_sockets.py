"""A socket as the gateway sees it, without a network."""

from __future__ import annotations

from typing import Any


class FakeTransport:
    """A transport. The test says how many bytes wait in it."""

    def __init__(self) -> None:
        self.waiting = 0

    def get_extra_info(self, name: str) -> None:
        """Return None: there is no socket of the system, so bytes that no longer wait count as acknowledged."""

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait."""
        return self.waiting


class FakeSocket:
    """A socket that records what is done to it.

    Args:
        uid: its user.
        facts: other attributes, as in `tailwire.server.gateway.sockets.Socket`.
    """

    def __init__(self, uid: str = "", **facts: Any) -> None:
        self.uid, self.number = uid, 0
        self.address = self.device = self.platform = self.token = self.ended_by = ""
        self.features: frozenset[str] = frozenset()
        self.history: list[Any] = []
        self.opened_at = self.heard_at = self.background_until = self.window = 0.0
        self.slow = False
        self.probe: Any = None
        self.transport = FakeTransport()
        self.pings = 0
        vars(self).update(facts)

    def ping(self) -> None:
        """Count a ping, whose bytes wait in the transport."""
        self.pings += 1
        self.transport.waiting += 2

    def buffered(self) -> int:
        """Return how many bytes wait in the transport."""
        return self.transport.waiting
