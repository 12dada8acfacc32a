"""Why a client that was connected may be so no more: what a plan did to it, and what the documentation names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailwire.sdk.connection.causes import Cause, Kind
from tailwire.testing.simulation.steps import DEVICES

DETECTION_SECONDS = 18.0
"""Seconds within which a dead line is noticed when nothing moves on it (T3)."""
EXTRA_DETECTION_SECONDS = 30.0
"""Seconds that it may take longer while bytes move on another connection."""
LONG_DELAY_SECONDS = 1.0
SLOW_LATENCY_SECONDS = 1.5
"""Seconds each way: a line that becomes so slow at once answers its first ping after the announced timeout."""

_MOMENTS = frozenset({"drop", "half open", "sleep", "freeze", "kill", "stop", "start", "move", "restore", "put back"})
_LASTING = frozenset({"offline", "swallow", "refuse", "nameless", "untrusted", "portal", "proxy", "cut amid"})
_BY_VALUE = frozenset({"jitter", "slow work"})
_UNTIL_RECOVERY = _BY_VALUE | {"cut amid"}
_ENDS = {"back": {"offline"}, "portal off": {"portal"}, "proxy off": {"proxy"}}
_INDEFINITELY = float("inf")
_SHARED = ("server", "network")


class Reasons:
    """What a run has done to whom, and until when it may be noticed.

    A fault of the network or the server concerns everybody. A line that is slow is none, nor is a long silence.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._until: dict[tuple[str, str], float] = {}
        self._intercepted_since: dict[str, float] = {}

    def note_step(self, who: str, what: str, value: Any) -> None:
        """Note a step of a plan."""
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
            self._until[name, what] = _INDEFINITELY  # it shows at the first ping, which may be long after
        if what == "revoke":  # a token's end: the server closes the sockets that were opened with it
            self._until |= {(device, what): soon for device in DEVICES if device.startswith(f"{value}-")}
        for ended in _ENDS.get(what, ()):
            self._until[name, ended] = min(self._until.get((name, ended), 0.0), soon)
        if what == "portal" or (what == "proxy" and value[0] == "busy"):
            self._intercepted_since.setdefault(name, self._now())
        elif what in ("portal", "portal off", "proxy", "proxy off"):
            self._intercepted_since.pop(name, None)
        if what == "restore":
            self.network_restored()

    def network_restored(self) -> None:
        """The network is restored: what lasted has ended, but for delays, and cuts that wait for their bytes."""
        soon = self._now() + DETECTION_SECONDS + EXTRA_DETECTION_SECONDS
        self._until = {k: until if k[1] in _UNTIL_RECOVERY else min(until, soon) for k, until in self._until.items()}
        self._intercepted_since.clear()

    def answered_by_middlebox(self, name: str, since: float) -> bool:
        """Say whether all that this device asked since then was answered by what stands between it and the server."""
        return self._intercepted_since.get(name, _INDEFINITELY) < since

    def is_excused(self, name: str, cause: Cause | None) -> bool:
        """Say whether a device may have lost its connection now."""
        if cause is not None and (cause.kind in (Kind.DECIDED, Kind.TOKEN) or cause is Cause.NEW_TOKEN):
            return True
        excused = any(self._now() <= until for (who, _), until in self._until.items() if who in ("", name))
        for once in ("cut amid", "line"):  # they were meant for the connections that are gone now
            self._until.pop((name, once), None)
        return excused
