"""What a plan is made of: who there is, and one thing that happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DEVICES = ("alice-phone", "alice-desk", "bob-phone", "carol-phone")
"""Devices; before the dash stands the user. The desk is in manual mode, the phones of alice and carol have an outbox,
bob catches up little."""
USERS = ("alice", "bob", "carol")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens.

    Attributes:
        wait: seconds since the step before.
        who: a device of `DEVICES`, `network` or `server`.
        what: see `step_handlers`.
        value: of a kind that JSON knows.
    """

    wait: float
    who: str
    what: str
    value: Any = None
