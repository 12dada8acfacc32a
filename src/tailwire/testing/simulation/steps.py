"""The devices and users of a simulation, and a step of its plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DEVICES = ("alice-phone", "alice-desk", "bob-phone", "carol-phone")
"""The names of the devices: the uid of the user, `-`, and the kind.

`alice-desk` is in manual mode, the phones of alice and carol have an outbox, and bob's catch-up is limited to a few
messages.
"""
USERS = ("alice", "bob", "carol")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan.

    Attributes:
        wait: seconds since the previous step.
        who: a device of `DEVICES`, `backend`, `network` or `server`.
        what: the name of the step. For a device or the network: a key of the tables of `step_handlers`; for the server:
            a method `server_…` of `Simulation`; for the backend: a step of `Backend.start`.
        value: the argument of the step, a JSON value.
    """

    wait: float
    who: str
    what: str
    value: Any = None
