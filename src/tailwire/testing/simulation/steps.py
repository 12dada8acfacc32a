"""The devices and users of a simulation, and a step of its plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DEVICES = ("alice-phone", "alice-desk", "bob-phone", "carol-phone")
"""Devices, as user-device. The desk is in manual mode, the phones of alice and carol have an outbox, and bob's catch-up
is limited to a few messages.
"""
USERS = ("alice", "bob", "carol")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan.

    Attributes:
        wait: seconds since the previous step.
        who: a device of `DEVICES`, `backend`, `network` or `server`.
        what: a step of `step_handlers`, or a method of `Simulation` for the server, or a step of `Backend`.
        value: a JSON value.
    """

    wait: float
    who: str
    what: str
    value: Any = None
