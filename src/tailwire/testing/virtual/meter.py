"""Counts what devices do to their batteries: connections, bytes, timers, wake-ups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

HEADER_BYTES = 40
PACKET_BYTES = 1460


@dataclass(slots=True)
class Counts:
    """What one device did.

    Attributes:
        connections: how often it connected, or tried to.
        up, down: bytes, with 40 for TCP and IP for each packet that carries some.
        timers: how many of its timers fired.
        wakeups: how often its event loop woke, for a timer or for what came in.
    """

    connections: int = 0
    up: int = 0
    down: int = 0
    timers: int = 0
    wakeups: int = 0


@dataclass
class Meter:
    """Counts, for each device by its name. Set as `Network.meter`."""

    devices: dict[str, Counts] = field(default_factory=dict)

    def of(self, name: str) -> Counts:
        """The counts of a device."""
        return self.devices.setdefault(name, Counts())

    def tried(self, name: str) -> None:
        """A device tries to connect."""
        self.of(name).connections += 1

    def sent(self, name: str, up: bool, data: bytes | None) -> None:
        """Bytes of a device's connection are sent, or its end of file."""
        size = len(data or b"")
        size += HEADER_BYTES * max(1, -(-size // PACKET_BYTES))
        counts = self.of(name)
        if up:
            counts.up += size
        else:
            counts.down += size

    def woken(self, loop: Any) -> None:
        """Time has passed: the timers that are due now fire."""
        from tailwire.testing.virtual.network import current_process

        end = loop.time() + loop._clock_resolution
        woken: set[str] = set()
        for handle in loop._scheduled:
            if handle.when() > end or handle.cancelled() or handle._context is None:
                continue
            name = handle._context.get(current_process, "").partition("#")[0]
            woken.add(name)
            if getattr(handle._callback, "__func__", None) is not type(loop.network).arrive:
                self.of(name).timers += 1
        for name in woken:
            self.of(name).wakeups += 1
