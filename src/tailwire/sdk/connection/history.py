"""Record the last transitions and inputs of a connection machine, and dump the inputs so that they can be replayed."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from tailwire.sdk.connection import inputs
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.inputs import Input
from tailwire.sdk.connection.state import AppState, ConnectionStatus, Mode, Network, Phase, SessionState, State
from tailwire.sdk.connection.timings import Timings

FORMAT_VERSION = 1
"""Format number of dumps."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of phase or status.

    Attributes:
        at: seconds on a clock that runs while the device sleeps; not seconds since 1970.
        trigger: name of the input that caused it.
        status: the status after it.
        phase: the phase after it.
        epoch: the number of the socket or attempt.
        cause: why the last socket ended or the last attempt failed, or None.
    """

    at: float
    trigger: str
    status: ConnectionStatus
    phase: Phase
    epoch: int
    cause: Cause | None


@dataclass(frozen=True, slots=True)
class RecordedInput:
    """One input of the machine, with the time and the random number of the step that processed it."""

    at: float
    chance: float
    happened: Input


class History:
    """Keeps the last transitions, and the last inputs with the state before each.

    Args:
        start: the state before the first step.
        transitions: the maximum number of transitions to keep.
        steps: the maximum number of inputs to keep.
    """

    def __init__(self, start: State, *, transitions: int = 100, steps: int = 1000) -> None:
        self._start = start
        self._transitions: deque[Transition] = deque(maxlen=transitions)
        self._steps: deque[tuple[State, RecordedInput]] = deque(maxlen=steps)

    def record(self, before: State, happened: Input, now: float, chance: float, after: State) -> Transition | None:
        """Record a step, and return its transition; None if phase, status and epoch are unchanged.

        Args:
            before, after: the states before and after the step.
        """
        self._steps.append((before, RecordedInput(now, chance, happened)))
        if before.phase is after.phase and before.status is after.status and before.epoch == after.epoch:
            return None
        made = Transition(now, type(happened).__name__, after.status, after.phase, after.epoch, after.cause)
        self._transitions.append(made)
        return made

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """The last transitions, oldest first."""
        return tuple(self._transitions)

    def dump(self) -> dict[str, Any]:
        """Return the last inputs and the state before the first of them, as a JSON object for `load_dump`.

        It contains no tokens and no messages.
        """
        first = self._steps[0][0] if self._steps else self._start
        return {
            "format": FORMAT_VERSION,
            "state": _as_json(first),
            "inputs": [
                {"at": r.at, "chance": r.chance, "input": type(r.happened).__name__, **_as_json(r.happened)}
                for _, r in self._steps
            ],
        }


class BadDump(ValueError):
    """A dump is invalid, or has another format. The message says what is wrong."""


def load_dump(dump: Mapping[str, Any]) -> tuple[State, list[RecordedInput]]:
    """Return the state and the inputs of what `History.dump` returned, for `replay_inputs`.

    Raises:
        BadDump: if the dump is invalid, or has another format number.
    """
    if not isinstance(dump, Mapping):
        raise BadDump("not a JSON object")
    if dump.get("format") != FORMAT_VERSION:
        raise BadDump(f"format {dump.get('format')!r}, this version reads {FORMAT_VERSION}")
    try:
        return _state_from_json(dump["state"]), [
            _recorded_input_from_json(n, r) for n, r in enumerate(dump["inputs"], 1)
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise e if isinstance(e, BadDump) else BadDump(f"not a dump: {e!r}") from e


def _as_json(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.name != "timings"} | (
        {"timings": dataclasses.asdict(value.timings)} if isinstance(value, State) else {}
    )


_KINDS: dict[str, Any] = {
    "mode": Mode,
    "session": SessionState,
    "app": AppState,
    "said_app": AppState,
    "network": Network,
    "phase": Phase,
    "status": ConnectionStatus,
    "cause": Cause,
    "probe_cause": Cause,
}


def _with_types(values: Mapping[str, Any]) -> dict[str, Any]:
    typed = {k: _KINDS[k](v) if k in _KINDS and v is not None else v for k, v in values.items()}
    return {k: tuple(v) if k in ("pings", "connects") else v for k, v in typed.items()}


_ALLOWED: dict[str, tuple[type, ...]] = {"float": (int, float), "int": (int,), "bool": (bool,), "str": (str,)}


def _checked(made: Any) -> Any:
    # A value of another type than the field's would fail later, in a step.
    for field in dataclasses.fields(made):
        value, kinds = getattr(made, field.name), str(field.type).split(" | ")
        many = value if isinstance(value, tuple) else (value,)
        allowed = _ALLOWED.get("int" if isinstance(value, tuple) else kinds[0], (object,))
        if not all(isinstance(v, allowed) for v in many) and not (value is None and "None" in kinds):
            raise BadDump(f"{field.name}: {value!r} is not {kinds[0]}")
        if isinstance(value, float) and not -1e15 < value < 1e15:
            raise BadDump(f"{field.name}: {value!r} is not a time")
    return made


def _state_from_json(values: Mapping[str, Any]) -> State:
    rest = {k: v for k, v in values.items() if k != "timings"}
    state: State = _checked(State(timings=_checked(Timings(**values["timings"])), **_with_types(rest)))
    return state


def _recorded_input_from_json(number: int, values: Mapping[str, Any]) -> RecordedInput:
    kind: Any = getattr(inputs, str(values["input"]), None)
    if kind not in get_args(Input):
        raise BadDump(f"input {number}: {values['input']!r} is unknown")
    rest = {k: v for k, v in values.items() if k not in ("at", "chance", "input")}
    return _checked(RecordedInput(float(values["at"]), float(values["chance"]), _checked(kind(**_with_types(rest)))))  # type: ignore[no-any-return]
