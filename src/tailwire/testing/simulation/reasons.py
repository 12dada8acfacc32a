"""Decide whether a client may lose its connection: because of a fault of the plan, or a cause that is documented."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailwire.sdk.connection.causes import Cause, CauseKind
from tailwire.testing.simulation.steps import DEVICES

DETECTION_SECONDS = 18.0
"""Within this time a client detects that no data arrives on its connection (T3)."""
EXTRA_DETECTION_SECONDS = 30.0
"""Additional time for the detection while data moves on another connection of the device."""
REFUSED_SECONDS = 60.0
"""Seconds that clients may wait after an overloaded server has refused a request."""
LONG_DELAY_SECONDS = 1.0
SLOW_LATENCY_SECONDS = 1.5
"""Seconds in one direction. If a line suddenly becomes this slow, the next ping is answered after its timeout."""

_MOMENTS = frozenset({"drop", "half open", "sleep", "freeze", "kill", "stop", "start", "move", "restore", "put back"})
_LASTING = frozenset({"offline", "swallow", "refuse", "nameless", "untrusted", "portal", "proxy", "cut amid"})
_BY_VALUE = frozenset({"jitter", "slow work"})
_UNTIL_RECOVERY = _BY_VALUE | {"cut amid"}
_ENDS = {"back": {"offline"}, "portal off": {"portal"}, "proxy off": {"proxy"}}
_INDEFINITELY = float("inf")
_SHARED = ("server", "network")


class Reasons:
    """The faults of a run by device, each with the time until which clients may detect it.

    A fault of the network or the server affects every device. A slow line or a long time without data is not a fault.

    Args:
        now: returns the virtual time.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._until: dict[tuple[str, str], float] = {}
        self._intercepted_since: dict[str, float] = {}
        self._revoked_until: dict[str, float] = {}
        self._slow_until = 0.0  # requests may be refused or take long, which does not excuse the loss of a connection

    def record_step(self, who: str, what: str, value: Any) -> None:
        """Record the faults that a step begins or ends; the arguments are the fields of a `Step`."""
        name = "" if who in _SHARED else who
        soon = self._now() + DETECTION_SECONDS + EXTRA_DETECTION_SECONDS
        if what in _LASTING:
            self._until[name, what] = _INDEFINITELY
        elif what in _MOMENTS:
            lasts = value if what in ("kill", "stop", "put back", "freeze") and isinstance(value, int | float) else 0.0
            self._until[name, what] = soon + lasts
        elif what in _BY_VALUE and value is not None:
            self._until[name, what] = _INDEFINITELY if value >= LONG_DELAY_SECONDS else soon
        elif what == "line" and value[3] >= SLOW_LATENCY_SECONDS:
            self._until[name, what] = _INDEFINITELY  # detected at the next ping, which may be much later
        if what == "revoke":  # the server closes all sockets of that token
            self._until |= {(device, what): soon for device in DEVICES if device.startswith(f"{value}-")}
        if what == "slow accept":
            self._slow_until = _INDEFINITELY
        elif what == "busy":
            self._slow_until = max(self._slow_until, self._now() + value + REFUSED_SECONDS)
        for ended in _ENDS.get(what, ()):
            self._until[name, ended] = min(self._until.get((name, ended), 0.0), soon)
        if what == "portal" or (what == "proxy" and value[0] == "busy"):
            self._intercepted_since.setdefault(name, self._now())
        elif what in ("portal", "portal off", "proxy", "proxy off"):
            self._intercepted_since.pop(name, None)
        if what == "restore":
            self.record_restored_network()

    def record_logout(self, name: str, *, done: bool) -> None:
        """Record that the token of a device is being revoked, so that the server closes its socket.

        Args:
            name: the name of the device.
            done: whether the call has ended; the device may then lose its connection for `DETECTION_SECONDS` more.
        """
        self._revoked_until[name] = self._now() + DETECTION_SECONDS if done else _INDEFINITELY

    def record_restored_network(self) -> None:
        """End all lasting faults of the network, except those that last until the run recovers, such as delays."""
        soon = self._now() + DETECTION_SECONDS + EXTRA_DETECTION_SECONDS
        self._until = {k: until if k[1] in _UNTIL_RECOVERY else min(until, soon) for k, until in self._until.items()}
        self._intercepted_since.clear()
        if self._slow_until == _INDEFINITELY:
            self._slow_until = soon

    def is_calm(self, name: str) -> bool:
        """Return whether no fault affects a device or its requests now, or can still be detected."""
        if self._now() <= self._slow_until:
            return False
        return all(self._now() > until for (who, _), until in self._until.items() if who in ("", name))

    def answered_by_middlebox(self, name: str, since: float) -> bool:
        """Return whether a portal or proxy has responded to all requests of a device since before a virtual time."""
        return self._intercepted_since.get(name, _INDEFINITELY) < since

    def is_excused(self, name: str, cause: Cause | None) -> bool:
        """Return whether a device may lose its connection now, because of its own decision, its token or a fault.

        Faults that affect only the connections open at that time end by this.

        Args:
            name: the name of the device.
            cause: the cause that its client reports; None if it reports none.
        """
        if cause is not None and (cause.kind in (CauseKind.DECIDED, CauseKind.TOKEN) or cause is Cause.NEW_TOKEN):
            return True
        excused = self._now() <= self._revoked_until.get(name, -1.0)
        excused = excused or any(self._now() <= until for (who, _), until in self._until.items() if who in ("", name))
        for once in ("cut amid", "line"):  # these applied to the connections that have just ended
            self._until.pop((name, once), None)
        return excused
