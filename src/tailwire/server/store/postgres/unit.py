"""One write that depends on what was read: conditions and statements, carried out together within the database.

A process reads, decides, and describes what to do as a unit of work. The unit says what was read
(`require_unchanged`). If that has changed meanwhile, nothing is done, and the process decides again. So no transaction
waits for a process.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

Value = str | int | bytes | bool | None | Sequence[str] | Sequence[int]
_INVALIDATE_WITH_MESSAGE_SQL = "INSERT INTO changes (id, kind, key) VALUES (:message_id::bigint, :kind, :key)"
_NAMED_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of a unit.

    Attributes:
        again: nothing was done, because what the unit has seen has changed.
        results: those of the steps that have one, in order: numbers of rows, and lists of rows.
        ended: the number of the step, from 0, at which it ended early; None if it was carried out to its end.
        message_id: the id of its message; 0 if it has none, or the unit was not carried out to its end.
        predecessor_id: the id of the message before it in its conversation; 0 if there is none.
    """

    again: bool = False
    results: tuple[Any, ...] = ()
    ended: int | None = None
    message_id: int = 0
    predecessor_id: int = 0


class Unit:
    """A unit of work: steps, which are carried out in the order in which they were added.

    In statements `:name` stands for a value of that name. Values arrive as text and are cast where another type is
    needed (`:now::bigint`, `:body::bytea`); `:names` of a list is JSON. Two values are given to every step:
    `:message_id` is the id of the unit's message, `:last_id` the highest id before the batch.
    """

    __slots__ = ("_encoded", "_steps", "changes", "with_message")

    def __init__(self) -> None:
        self._encoded = b""
        self._steps: list[tuple[str, str, dict[str, Any]]] = []
        self.changes: list[tuple[str, str]] = []
        self.with_message: list[tuple[str, str]] = []

    def require_unchanged(self, condition: str, **values: Value) -> None:
        """Make the unit do nothing unless a condition that held when the data was read still holds.

        Call this before adding any change.
        """
        self._step("seen", condition, values)

    def end_if(self, condition: str, **values: Value) -> None:
        """End the unit here if a condition holds."""
        self._step("until", condition, values)

    def run(self, statement: str, **values: Value) -> None:
        """Run a statement; the number of its rows is a result."""
        self._step("do", statement, values)

    def run_required(self, statement: str, **values: Value) -> None:
        """Run a statement, and end the unit here if it changes no row; the number of its rows is a result."""
        self._step("need", statement, values)

    def run_required_first(self, statement: str, **values: Value) -> int:
        """Run a statement as `run_required` does, before all steps but `require_unchanged`.

        Returns:
            The number of the step.
        """
        place = next((n for n, step in enumerate(self._steps) if step[0] != "seen"), len(self._steps))
        self._step("need", statement, values)
        self._steps.insert(place, self._steps.pop())
        return place

    def run_returning(self, statement: str, **values: Value) -> None:
        """Run a statement that returns rows; they are a result, as a list of dictionaries by column."""
        self._step("rows", statement, values)

    def invalidate(self, kind: str, key: str, *, with_message: bool = False) -> None:
        """Tell all processes to forget what they keep in memory about something.

        Args:
            with_message: give the change the id of the unit's message, so that both have one place in the log.
        """
        if with_message:
            self.run(_INVALIDATE_WITH_MESSAGE_SQL, kind=kind, key=key)
            self.with_message.append((kind, key))
        else:
            self.changes.append((kind, key))

    def _step(self, kind: str, statement: str, values: dict[str, Any]) -> None:
        encoded = {k: "\\x" + v.hex() if isinstance(v, bytes) else v for k, v in values.items()}
        self._steps.append((kind, to_positional(statement), encoded))

    def encode(self, draft: int | None) -> bytes:
        """Return the unit as JSON for the function of the batch. Nothing may be added afterwards.

        Args:
            draft: the number of its message among the drafts of the batch, from 1; None if it has no message.
        """
        if not self._encoded:
            self._encoded = msgspec.json.encode({"steps": self._steps, "changes": self.changes})[1:]
        return b'{"draft":%b,' % (b"null" if draft is None else b"%d" % draft) + self._encoded


@lru_cache(maxsize=1024)
def to_positional(statement: str) -> str:
    """Return a statement with named values in the form in which the function `tailwire_unit_1` runs it."""
    return _NAMED_PARAMETER.sub(r"($1 ->> '\1')", statement)
