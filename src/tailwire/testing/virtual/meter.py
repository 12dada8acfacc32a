"""Count what costs battery on a device: connections, bytes, timers, wake-ups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

HEADER_BYTES = 40
PACKET_BYTES = 1460


@dataclass(slots=True)
class Counts:
    """Counts of one device.

    Attributes:
        connections: number of connection attempts.
        up, down: bytes from and to the device, including 40 for the TCP and IP headers of each packet.
        timers: number of timers that fired.
        wakeups: number of times that a device that was idle had something to do, a timer or received data.
    """

    connections: int = 0
    up: int = 0
    down: int = 0
    timers: int = 0
    wakeups: int = 0


@dataclass
class Meter:
    """Counts connection attempts, bytes, timers and wake-ups of each device. Set it as `Network.meter`.

    Attributes:
        devices: the counts by the name of the device or server (see `network.current_process`). The bytes of a
            connection count for the device that opened it.
    """

    devices: dict[str, Counts] = field(default_factory=dict)

    def of(self, name: str) -> Counts:
        """Return the counts of a device, which go on changing; all 0 if it has done nothing yet."""
        return self.devices.setdefault(name, Counts())

    def count_attempt(self, name: str) -> None:
        """Count a connection attempt."""
        self.of(name).connections += 1

    def count_data(self, name: str, up: bool, data: bytes | None) -> None:
        """Count data on a connection of a device.

        Args:
            name: the name of the device.
            up: whether the device sends the data; False if the data is sent to it.
            data: the data; None for an end of file.
        """
        size = len(data or b"")
        size += HEADER_BYTES * max(1, -(-size // PACKET_BYTES))
        counts = self.of(name)
        if up:
            counts.up += size
        else:
            counts.down += size

    def count_wakeups(self, loop: Any) -> None:
        """Count the timers that are due, and a wake-up for each device that has one. Called after each `jump`."""
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
