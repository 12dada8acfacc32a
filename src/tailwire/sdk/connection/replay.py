"""Runs recorded inputs again. Rule: as the machine itself, no I/O; what makes no sense is refused, not believed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tailwire.sdk.connection.commands import Command
from tailwire.sdk.connection.history import Recorded
from tailwire.sdk.connection.machine import step
from tailwire.sdk.connection.state import State


class BadReplay(ValueError):
    """An input cannot be taken in the state that the dump leads to: its values are of a wrong kind."""


def replayed(state: State, recorded: Sequence[Recorded]) -> Iterator[tuple[float, State, Recorded, list[Command]]]:
    """Take the inputs one after the other.

    Returns:
        Of each: when, the state after it, the input, and what was commanded.

    Raises:
        BadReplay: naming the input.
    """
    for number, one in enumerate(recorded, 1):
        try:
            state, commands = step(state, one.happened, one.at, one.chance)
        except (TypeError, ValueError, AttributeError, ArithmeticError, AssertionError, LookupError) as e:
            raise BadReplay(f"input {number} ({type(one.happened).__name__}) cannot be taken: {e}") from e
        yield one.at, state, one, commands
