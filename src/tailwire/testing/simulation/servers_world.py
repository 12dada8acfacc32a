"""The interface of `ServersRun` for its clients."""

from __future__ import annotations

import random
from typing import Any, Protocol

from tailwire.testing.simulation.servers_fanout import SimulatedServer
from tailwire.testing.simulation.servers_store import SharedStore


class World(Protocol):
    """What a client uses of a run.

    Attributes:
        chance: the source of randomness.
        store: the messages, memberships and changes.
    """

    chance: random.Random
    store: SharedStore

    def add_to_trace(self, *what: Any) -> None:
        """Add an entry to the trace of the run, with the virtual time."""

    def run(self, work: Any) -> None:
        """Start a task outside the servers; an exception of it fails the run."""

    def any_server(self) -> SimulatedServer:
        """Return a running server at random. Its process may be stopped, so that it does not respond."""
