"""A unit of work: a write that depends on what was read, as a list of conditions and statements.

A process reads, decides, and describes the write as a unit, which the database carries out in one transaction. The
unit's first steps are conditions on what was read (`require_unchanged`). If one no longer holds, nothing is done, and
the process has to decide again. So no transaction ever waits for a process.
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
        again: True if nothing was done, because a `require_unchanged` condition did not hold.
        results: the results of the steps that were carried out and have one, in order: a number of rows, or a list of
            rows, each a dictionary by column.
        ended: the index of the step, from 0, at which the unit ended early; None if it was carried out to its end.
        message_id: the id of the unit's message; 0 if it has none, or the unit was not carried out to its end.
        predecessor_id: the id of the previous message of that conversation; 0 if there is none.
    """

    again: bool = False
    results: tuple[Any, ...] = ()
    ended: int | None = None
    message_id: int = 0
    predecessor_id: int = 0


class Unit:
    """A unit of work. Its steps are carried out in the order in which they were added.

    If a unit ends early, the steps before remain done. Later steps, the unit's message and what `invalidate` reports
    are left out.

    In conditions and statements `:name` stands for a value of that name. It is of the type text, and must be cast where
    another type is needed (`:now::bigint`, `:body::bytea`); a list arrives as a JSON array. Two values are added to
    those of every step: `:message_id`, the id of the unit's message, and `:last_id`, the highest id that was given out
    before the batch.

    Attributes:
        changes: the kind and key of each change that `invalidate` reports under an id of its own.
        with_message: the kind and key of each change that it reports under the id of the unit's message.
    """

    __slots__ = ("_encoded", "_steps", "changes", "with_message")

    def __init__(self) -> None:
        self._encoded = b""
        self._steps: list[tuple[str, str, dict[str, Any]]] = []
        self.changes: list[tuple[str, str]] = []
        self.with_message: list[tuple[str, str]] = []

    def require_unchanged(self, condition: str, **values: Value) -> None:
        """Add a condition that held when the data was read. If it no longer holds, the unit does nothing.

        Call this before adding steps that change something: those would not be undone.
        """
        self._step("seen", condition, values)

    def end_if(self, condition: str, **values: Value) -> None:
        """Add a step that ends the unit early if a condition holds."""
        self._step("until", condition, values)

    def run(self, statement: str, **values: Value) -> None:
        """Add a statement. Its result is the number of rows that it changed or returned."""
        self._step("do", statement, values)

    def run_required(self, statement: str, **values: Value) -> None:
        """Add a statement as `run` does. If it changes no row, its result is 0, and it ends the unit early."""
        self._step("need", statement, values)

    def run_required_first(self, statement: str, **values: Value) -> int:
        """Insert a statement as `run_required` does, but directly after the `require_unchanged` conditions.

        Returns:
            The index of the step in the unit, from 0.
        """
        place = next((n for n, step in enumerate(self._steps) if step[0] != "seen"), len(self._steps))
        self._step("need", statement, values)
        self._steps.insert(place, self._steps.pop())
        return place

    def run_returning(self, statement: str, **values: Value) -> None:
        """Add a statement that returns rows. Its result is the list of them, each a dictionary by column."""
        self._step("rows", statement, values)

    def invalidate(self, kind: str, key: str, *, with_message: bool = False) -> None:
        """Make all processes forget their cached copies of an object, once the unit was carried out to its end.

        Args:
            kind, key: the object, as in `ports.changes.Change`.
            with_message: True to report it under the id of the unit's message, so that processes take notice of both at
                once; False to report it under an id of its own.
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
        """Return the unit as JSON for the SQL function `tailwire_batch_1`.

        No step may be added after the first call: it would be ignored.

        Args:
            draft: the position of the unit's message among the drafts of the batch, from 1; None without a message.
        """
        if not self._encoded:
            self._encoded = msgspec.json.encode({"steps": self._steps, "changes": self.changes})[1:]
        return b'{"draft":%b,' % (b"null" if draft is None else b"%d" % draft) + self._encoded


@lru_cache(maxsize=1024)
def to_positional(statement: str) -> str:
    """Replace each `:name` in a statement by an expression that reads the value from a JSON object, the parameter `$1`.

    In this form the SQL function `tailwire_unit_1` runs it.
    """
    return _NAMED_PARAMETER.sub(r"($1 ->> '\1')", statement)
