"""The data of one step in progress: the state to change, the time, a random number, and the commands so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from tailwire.sdk.connection.commands import Command
from tailwire.sdk.connection.state import State


@dataclass(slots=True)
class Step:
    """One step in progress.

    Attributes:
        state: a copy that belongs to this step.
        now: seconds on the driver's clock.
        chance: a random number in [0, 1).
        commands: what the driver will carry out, in this order.
    """

    state: State
    now: float
    chance: float
    commands: list[Command] = field(default_factory=list)

    def emit(self, *commands: Command) -> None:
        """Append commands, which the driver carries out after the step, in this order."""
        self.commands.extend(commands)
