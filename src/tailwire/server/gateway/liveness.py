"""When a silent socket is asked for a sign of life, and when it is taken for dead.

Rules: a healthy connection is never closed. A socket is asked before it is cut; the time for its answer begins when the
network has taken the question, and as long as the network takes what was written before it, the line is slow and not
dead. What the server itself writes says nothing of the other end as long as it lies in a buffer here.
"""

from __future__ import annotations

from dataclasses import dataclass

from tailwire.server.gateway.sockets import Socket
from tailwire.server.limits.acknowledged import acknowledged_bytes, unacknowledged_bytes

PROBE_AFTER_SHARE = 0.75
"""The part of the limit of silence after which a socket is asked; the rest is for its answer."""


@dataclass(slots=True)
class Probe:
    """A question that a silent socket was asked.

    Attributes:
        since: when it was asked, or when the network last took some of what was written before it.
        taken: how much the network had taken then.
        goal: how much it has taken when the question itself is with the other end.
    """

    since: float
    taken: int
    goal: int


class LivenessCheck:
    """Looks at silent sockets.

    Args:
        limit: the seconds after which a socket that says nothing is taken for dead.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit

    def is_dead(self, socket: Socket, now: float) -> bool:
        """Return whether a socket is to be cut; ask it for a sign of life where it is time to."""
        if now - socket.heard_at <= self._limit * PROBE_AFTER_SHARE:
            socket.probe = None
            return False
        probe = socket.probe
        if probe is None or probe.since < socket.heard_at:
            socket.ping()
            taken = acknowledged_bytes(socket.transport)
            socket.probe = Probe(now, taken, taken + unacknowledged_bytes(socket.transport))
            return False
        taken = acknowledged_bytes(socket.transport)
        if probe.taken < taken and probe.taken < probe.goal:
            probe.taken, probe.since = taken, now
        return now - probe.since > self._limit * (1 - PROBE_AFTER_SHARE)
