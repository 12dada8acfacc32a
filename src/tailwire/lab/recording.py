"""Write and read the file of a lab, and read the dump of a single connection.

Rule: files are untrusted. Everything is checked before it is used, and invalid files are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

from tailwire.lab.graph import phase_graph
from tailwire.lab.lab import PHONE_NAMES, Lab
from tailwire.lab.phone import SETTINGS
from tailwire.sdk.connection.commands import Command
from tailwire.sdk.connection.explain import describe, explain
from tailwire.sdk.connection.history import BadDump, load_dump
from tailwire.sdk.connection.replay import BadReplay, replay_inputs
from tailwire.sdk.connection.state import ConnectionStatus, Phase, State
from tailwire.sdk.io.untrusted_json import BadJson, read_object

FORMAT_VERSION = 1
MAX_EVENTS = 20_000
MAX_VALUE_CHARACTERS = 2000
MAX_SECONDS = 366 * 86_400.0
_PHASES, _STATUSES = frozenset(map(str, Phase)), frozenset(map(str, ConnectionStatus))
_Types = tuple[type, ...]
_TEXT: _Types = (str,)
_FLAG_TYPES: _Types = (bool,)
_MESSAGE = {"id": _TEXT, "text": _TEXT}
KINDS: dict[str, dict[str, _Types]] = {
    "transition": {"trigger": _TEXT, "before": _TEXT, "phase": _TEXT, "status": _TEXT, "epoch": (int,),
                   "cause": (str, type(None)), "why": _TEXT, "explain": _TEXT},
    "switch": {"what": _TEXT, "now": (dict,)},
    "typed": _MESSAGE,
    "accepted": {"id": _TEXT},
    "failed": _MESSAGE,
    "handed": _MESSAGE,
    "notice": {"text": _TEXT},
    "server": {"what": _TEXT, "up": _FLAG_TYPES, "busy": _FLAG_TYPES},
}  # fmt: skip
"""The required fields of an event and their types, by the event's kind; in addition to `at`, `kind` and `phone`."""


class BadRecording(ValueError):
    """The file is neither a valid recording of a lab nor a valid dump. The message says what is wrong."""


def recording_of(lab: Lab) -> dict[str, Any]:
    """Return the recording of a lab so far, JSON-ready: its events, and the dumps of the phones' connections.

    It contains the texts of messages, but no secrets.
    """
    return {
        "tailwire lab": FORMAT_VERSION,
        "begin": lab.log.begin,
        "end": lab.log.now,
        "events": lab.log.events,
        "dumps": lab.dumps(),
    }


def read_recording(file: Path) -> dict[str, Any]:
    """Read the recording of a lab, or the dump of a single connection, and return what the page shows.

    Returns:
        A JSON-ready dict: `names` of the phones; `events`, sorted by time; `machine`, as returned by `phase_graph`;
        the `name` of the file; and `steps`, sorted by time, one for each input that a connection processed: `at`,
        `phone`, `input` with `details`, `commands`, and `phase`, `status` and `explain` of the state after it.

    Raises:
        BadRecording: if the file is neither a valid recording nor a valid dump.
        OSError: if the file cannot be read.
    """
    try:
        data = read_object(file)
    except BadJson as e:
        raise BadRecording(str(e)) from e
    try:
        content = _read_lab(data) if "tailwire lab" in data else _read_dump(data)
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode("utf-8")  # as it is sent to the page
    except (BadDump, BadReplay) as e:
        raise BadRecording(str(e)) from e
    except UnicodeEncodeError as e:
        raise BadRecording("a text in it contains a lone surrogate") from e
    except (ArithmeticError, ValueError) as e:
        raise e if isinstance(e, BadRecording) else BadRecording(f"a number in it cannot be shown: {e}") from e
    name = file.name.encode("utf-8", "replace").decode("utf-8")
    return {**content, "machine": phase_graph(), "name": name}


def _read_lab(data: Mapping[str, Any]) -> dict[str, Any]:
    if data["tailwire lab"] != FORMAT_VERSION:
        raise BadRecording(f"format {data['tailwire lab']!r}, this version reads {FORMAT_VERSION}")
    events, dumps, begin = data.get("events"), data.get("dumps"), data.get("begin")
    if not isinstance(events, list) or not isinstance(dumps, Mapping) or not _is_time(begin):
        raise BadRecording("its events, dumps or begin are missing or invalid")
    zero = float(begin or 0)
    if len(events) > MAX_EVENTS:
        raise BadRecording(f"it has more than {MAX_EVENTS:,} events")
    for number, event in enumerate(events, 1):
        _check_event(number, event)
    for name, many in dumps.items():
        if name not in PHONE_NAMES or not isinstance(many, list):
            raise BadRecording("its dumps are not those of a lab's phones")
    _check_input_count([dump for many in dumps.values() for dump in many])
    steps = [
        {**step, "phone": name, "at": _seconds_since(zero, step["at"])}
        for name, many in dumps.items()
        for dump in many
        for step, _, _ in _steps(dump)
    ]
    at = itemgetter("at")
    return {"names": list(PHONE_NAMES), "events": sorted(events, key=at), "steps": sorted(steps, key=at)}


def _check_input_count(dumps: list[Any]) -> None:
    # Called before any dump is replayed. Entries that are not dumps are counted, and refused by the replay.
    listed = [dump.get("inputs") for dump in dumps if isinstance(dump, Mapping)]
    if len(dumps) + sum(len(inputs) for inputs in listed if isinstance(inputs, list)) > MAX_EVENTS:
        raise BadRecording(f"it has more than {MAX_EVENTS:,} inputs of a connection")


def _seconds_since(begin: float, at: float) -> float:
    seconds = round(at - begin, 3)
    if abs(seconds) > MAX_SECONDS:
        raise BadRecording("it lasts longer than a year")
    return seconds


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_event(number: int, event: Any) -> None:
    kind = event.get("kind") if isinstance(event, dict) else None
    if not isinstance(kind, str) or kind not in KINDS or not _is_time(event.get("at")):
        raise BadRecording(f"event {number} has an unknown kind or an invalid time")
    if abs(event["at"]) > MAX_SECONDS:
        raise BadRecording(f"event {number} is more than a year away")
    whose = {"server": (None,), "notice": (*PHONE_NAMES, "server")}.get(kind, PHONE_NAMES)
    if event.get("phone") not in whose:
        raise BadRecording(f"event {number} does not name its phone")
    for key, value in event.items():
        values = value.values() if key == "now" and isinstance(value, dict) else (value,)
        if not all(
            isinstance(v, str | int | float | bool | None) and len(str(v)) <= MAX_VALUE_CHARACTERS for v in values
        ):
            raise BadRecording(f"event {number}: {key} is not a plain value, or too long")
    for key, types in KINDS[kind].items():
        if type(event.get(key)) not in types or (key not in event):
            raise BadRecording(f"event {number}: {key} is missing or invalid for kind {kind}")
    if kind == "transition" and not ({event["before"], event["phase"]} <= _PHASES and event["status"] in _STATUSES):
        raise BadRecording(f"event {number} has a phase or a status that a connection does not have")
    if kind == "switch" and not all(event["now"].get(name) in words for name, words in SETTINGS.items()):
        raise BadRecording(f"event {number}: now is not a valid set of switch positions")


def _steps(dump: Any) -> Iterator[tuple[dict[str, Any], State, State]]:
    state, inputs = load_dump(dump)
    for at, after, one, commands in replay_inputs(state, inputs):
        step = {
            "at": at,
            "input": type(one.happened).__name__,
            "details": _description_of(one.happened),
            "commands": [_description_of(command, named=True) for command in commands],
            "phase": str(after.phase),
            "status": str(after.status),
            "explain": explain(after, at),
        }
        yield step, state, after
        state = after


def _description_of(value: object | Command, *, named: bool = False) -> str:
    fields = {name: getattr(value, name) for name in getattr(type(value), "__slots__", ())}
    words = ", ".join(f"{name} {field}" for name, field in fields.items() if field is not None)
    return f"{type(value).__name__} {words}".strip() if named else words


_CALLS = {"ConnectCalled": "connect", "DisconnectCalled": "disconnect", "PingCalled": "ping"}


def _read_dump(data: Mapping[str, Any]) -> dict[str, Any]:
    # Return the content of a dump as that of a lab with one phone. Its events are made from the inputs and states.
    steps: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    begin: float | None = None
    _check_input_count([data])
    state, _ = load_dump(data)
    now = {"app": str(state.app), "network": _network(state), "mode": str(state.mode), "pace": "quick", "token": "good"}
    events.append({"at": 0.0, "kind": "switch", "phone": "phone", "what": "", "now": dict(now)})
    events.append(_transition_event(0.0, "", state, state))
    for step, before, after in _steps(data):
        begin = step["at"] if begin is None else begin
        at = _seconds_since(begin, step["at"])
        steps.append({**step, "phone": "phone", "at": at})
        what = _CALLS.get(step["input"], "")
        if before.app is not after.app:
            what = now["app"] = str(after.app)
        if before.network is not after.network:
            what = now["network"] = _network(after)
        if what:
            events.append({"at": at, "kind": "switch", "phone": "phone", "what": what, "now": dict(now)})
        if (before.phase, before.status, before.epoch) != (after.phase, after.status, after.epoch):
            events.append(_transition_event(at, step["input"], before, after) | {"explain": step["explain"]})
    return {"names": ["phone"], "events": events, "steps": steps}


def _network(state: State) -> str:
    return "offline" if str(state.network) == "offline" else "online"


def _transition_event(at: float, trigger: str, before: State, after: State) -> dict[str, Any]:
    return {
        "at": at,
        "kind": "transition",
        "phone": "phone",
        "trigger": trigger,
        "before": str(before.phase),
        "phase": str(after.phase),
        "status": str(after.status),
        "epoch": after.epoch,
        "cause": str(after.cause) if after.cause is not None else None,
        "why": describe(after.cause) if after.cause is not None else "",
        "explain": explain(after, at),
    }
