"""Replay recorded inputs. Pure, like the machine; invalid dumps are refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tailwire.sdk.connection.commands import Command
from tailwire.sdk.connection.history import RecordedInput
from tailwire.sdk.connection.machine import step
from tailwire.sdk.connection.state import State


class BadReplay(ValueError):
    """An input of a dump cannot be processed in the state that the inputs before it lead to."""


def replay_inputs(
    state: State, recorded: Sequence[RecordedInput]
) -> Iterator[tuple[float, State, RecordedInput, list[Command]]]:
    """Process the inputs one after the other, without carrying out any commands.

    Args:
        state: the state before the first input.
        recorded: the inputs, oldest first.

    Yields:
        For each input: its time, the state after it, the input, and the commands that the step returned.

    Raises:
        BadReplay: if an input is invalid; the message names it.
    """
    for number, one in enumerate(recorded, 1):
        try:
            state, commands = step(state, one.happened, one.at, one.chance)
        except (TypeError, ValueError, AttributeError, ArithmeticError, AssertionError, LookupError) as e:
            raise BadReplay(f"input {number} ({type(one.happened).__name__}) is invalid here: {e}") from e
        yield one.at, state, one, commands
