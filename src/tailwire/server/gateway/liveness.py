"""Decides when a silent socket is pinged, and when it is considered dead.

A socket is pinged before it is closed, so that a healthy but silent connection stays open. Its time to reply starts
again with each TCP acknowledgement of bytes up to the ping: while these come, the connection is slow, not dead. That
the server can write proves nothing, because what it writes may only be buffered here.
"""

from __future__ import annotations

from dataclasses import dataclass

from tailwire.server.gateway.sockets import Socket
from tailwire.server.limits.acknowledged import acknowledged_bytes, unacknowledged_bytes
from tailwire.server.telemetry.connections import add_event

PROBE_AFTER_SHARE = 0.75
"""The part of the silence limit after which a socket is pinged. The rest of it is the time for the reply."""


@dataclass(slots=True)
class Probe:
    """A ping that was sent to a silent socket, and how far the peer's system has acknowledged what was written (TCP).

    Attributes:
        since: the event loop time from which the time for the reply counts: when the ping was sent, or when more of the
            bytes up to the ping was last seen to be acknowledged.
        acknowledged: how many bytes of the connection were acknowledged at that time.
        goal: how many bytes are acknowledged once the ping is.
    """

    since: float
    acknowledged: int
    goal: int


class LivenessCheck:
    """Finds sockets whose client is gone.

    Args:
        limit: the shortest silence in seconds, including the time for the reply to a ping, after which a socket is
            considered dead.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit

    def is_dead(self, socket: Socket, now: float) -> bool:
        """Return whether a socket is dead and should be closed. Send it a ping if it has been silent for long enough.

        Call this regularly for each authenticated socket.

        Args:
            socket: the socket; its attribute `probe` is set.
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
