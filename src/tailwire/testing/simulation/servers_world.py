"""The part of a simulation of several servers that its clients use."""

from __future__ import annotations

import random
from typing import Any, Protocol

from tailwire.testing.simulation.servers_fanout import SimulatedServer
from tailwire.testing.simulation.servers_store import SharedStore


class World(Protocol):
    """A run, as a client sees it."""

    chance: random.Random
    store: SharedStore

    def add_to_trace(self, *what: Any) -> None:
        """Add an entry to the trace of the run."""

    def run(self, work: Any) -> None:
        """Run a coroutine concurrently with everything else."""

    def any_server(self) -> SimulatedServer:
        """Return a server that was not killed; it may be stopped."""
