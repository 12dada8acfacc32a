"""Decides when a silent socket is pinged, and when it is considered dead.

Rules: a healthy connection is never closed. A socket is pinged before it is cut. The time for its reply starts when the
network has taken the ping; while the network still takes what was written before it, the line is slow and not dead.
Writes of the server prove nothing about the peer while they are buffered in this process.
"""

from __future__ import annotations

from dataclasses import dataclass

from tailwire.server.gateway.sockets import Socket
from tailwire.server.limits.acknowledged import acknowledged_bytes, unacknowledged_bytes
from tailwire.server.telemetry.connections import add_event

PROBE_AFTER_SHARE = 0.75
"""The share of the silence limit after which a socket is pinged. The rest is the time for its reply."""


@dataclass(slots=True)
class Probe:
    """A ping that a silent socket was sent.

    Attributes:
        since: the time of the event loop when it was sent, or when the peer last acknowledged bytes written before it.
        acknowledged: the count of acknowledged bytes at that time.
        goal: the count once the peer has the ping itself.
    """

    since: float
    acknowledged: int
    goal: int


class LivenessCheck:
    """Finds dead sockets among the silent ones.

    Args:
        limit: seconds of silence after which a socket is considered dead.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit

    def is_dead(self, socket: Socket, now: float) -> bool:
        """Return whether the socket should be cut. Ping it if it has been silent for long enough.

        Args:
            now: the time of the event loop.
        """
        if now - socket.heard_at <= self._limit * PROBE_AFTER_SHARE:
            socket.probe = None
            return False
        probe = socket.probe
        if probe is None or probe.since < socket.heard_at:
            socket.ping()
            add_event(socket.history, now, "pinged", f"silent for {now - socket.heard_at:.0f} s")
            acknowledged = acknowledged_bytes(socket.transport)
            socket.probe = Probe(now, acknowledged, acknowledged + unacknowledged_bytes(socket.transport))
            return False
        acknowledged = acknowledged_bytes(socket.transport)
        if probe.acknowledged < acknowledged and probe.acknowledged < probe.goal:
            probe.acknowledged, probe.since = acknowledged, now
        return now - probe.since > self._limit * (1 - PROBE_AFTER_SHARE)
