"""The file of a lab, and how it is shown again; also the plain dump of one connection, from the field.

Rule: a file comes from anybody: it is checked before any of it is used, and what makes no sense is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

from tailwire.lab.graph import machine
from tailwire.lab.lab import NAMES, Lab
from tailwire.lab.phone import SETTINGS
from tailwire.sdk.connection.commands import Command
from tailwire.sdk.connection.explain import describe, explain
from tailwire.sdk.connection.history import BadDump, load
from tailwire.sdk.connection.replay import BadReplay, replayed
from tailwire.sdk.connection.state import Phase, State, Status

FORMAT = 1
MAX_BYTES = 20_000_000
MAX_EVENTS = 20_000
MAX_VALUE_CHARACTERS = 2000
MAX_SECONDS = 366 * 86_400.0
MAX_DIGITS = 18
_PHASES, _STATUSES = frozenset(map(str, Phase)), frozenset(map(str, Status))
_Types = tuple[type, ...]
_TEXT: _Types = (str,)
_TRUTH: _Types = (bool,)
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
    "server": {"what": _TEXT, "up": _TRUTH, "busy": _TRUTH},
}  # fmt: skip
"""What an event of each kind has, beside `at`, `kind` and `phone`."""


class BadRecording(ValueError):
    """The file is neither a lab's nor a dump. The message says what is wrong."""


def recorded(lab: Lab) -> dict[str, Any]:
    """Return what has happened in a lab, JSON-ready. It holds what was written in the chats, and no secret."""
    return {
        "tailwire lab": FORMAT,
        "begin": lab.log.begin,
        "end": lab.log.now,
        "events": lab.log.events,
        "dumps": lab.dumps(),
    }


def read(file: Path) -> dict[str, Any]:
    """Read a file of a lab, or the dump of a connection, and return what the page shows.

    Returns:
        `names` of the phones, `events` as they were told, `machine`, and `steps`, one for each input of a connection:
        when, whose, what it was, what was commanded, and the sentence of the state after it.

    Raises:
        BadRecording: when it is neither.
        OSError: when it cannot be read.
    """
    with file.open("rb") as opened:
        content = opened.read(MAX_BYTES + 1)  # what a file says of its size may be wrong, as of a device's
    if len(content) > MAX_BYTES:
        raise BadRecording(f"it has more than {MAX_BYTES:,} bytes")
    try:
        data = json.loads(content.decode("utf-8"), parse_int=_whole, parse_float=_real, parse_constant=_constant)
    except BadRecording:
        raise
    except (ValueError, RecursionError) as e:
        raise BadRecording(f"it is no JSON: {e}") from e
    if not isinstance(data, dict):
        raise BadRecording("it is no JSON object")
    try:
        shown = _lab(data) if "tailwire lab" in data else _dump(data)
        json.dumps(shown, ensure_ascii=False, allow_nan=False).encode("utf-8")  # as the page is given it
    except (BadDump, BadReplay) as e:
        raise BadRecording(str(e)) from e
    except UnicodeEncodeError as e:
        raise BadRecording("it has half a character (a lone surrogate) in a text") from e
    except (ArithmeticError, ValueError) as e:
        raise e if isinstance(e, BadRecording) else BadRecording(f"a number in it cannot be shown: {e}") from e
    name = file.name.encode("utf-8", "replace").decode("utf-8")
    return {**shown, "machine": machine(), "name": name}


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS + 1:
        raise BadRecording(f"it has a number of more than {MAX_DIGITS} digits")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise BadRecording("it has a number that is too large")
    return value


def _constant(word: str) -> float:
    raise BadRecording(f"it has a number that is none: {word}")


def _lab(data: Mapping[str, Any]) -> dict[str, Any]:
    if data["tailwire lab"] != FORMAT:
        raise BadRecording(f"format {data['tailwire lab']!r}, this version reads {FORMAT}")
    events, dumps, begin = data.get("events"), data.get("dumps"), data.get("begin")
    if not isinstance(events, list) or not isinstance(dumps, Mapping) or not _is_time(begin):
        raise BadRecording("it lacks its events, its dumps or its begin")
    zero = float(begin or 0)
    if len(events) > MAX_EVENTS:
        raise BadRecording(f"it has more than {MAX_EVENTS:,} events")
    for number, event in enumerate(events, 1):
        _check(number, event)
    for name, many in dumps.items():
        if name not in NAMES or not isinstance(many, list):
            raise BadRecording("its dumps are not those of a lab's phones")
    _check_number([dump for many in dumps.values() for dump in many])
    steps = [
        {**step, "phone": name, "at": _since(zero, step["at"])}
        for name, many in dumps.items()
        for dump in many
        for step, _, _ in _steps(dump)
    ]
    at = itemgetter("at")
    return {"names": list(NAMES), "events": sorted(events, key=at), "steps": sorted(steps, key=at)}


def _check_number(dumps: list[Any]) -> None:
    # Before any of them is run. What is no dump is found when it is.
    listed = [dump.get("inputs") for dump in dumps if isinstance(dump, Mapping)]
    if len(dumps) + sum(len(inputs) for inputs in listed if isinstance(inputs, list)) > MAX_EVENTS:
        raise BadRecording(f"it has more than {MAX_EVENTS:,} inputs of a connection")


def _since(begin: float, at: float) -> float:
    seconds = round(at - begin, 3)
    if abs(seconds) > MAX_SECONDS:
        raise BadRecording("it lasts longer than a year")
    return seconds


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check(number: int, event: Any) -> None:
    kind = event.get("kind") if isinstance(event, dict) else None
    if not isinstance(kind, str) or kind not in KINDS or not _is_time(event.get("at")):
        raise BadRecording(f"event {number} is not one of a lab")
    if abs(event["at"]) > MAX_SECONDS:
        raise BadRecording(f"event {number} is more than a year away")
    whose = {"server": (None,), "notice": (*NAMES, "server")}.get(kind, NAMES)
    if event.get("phone") not in whose:
        raise BadRecording(f"event {number} does not say whose it is")
    for key, value in event.items():
        values = value.values() if key == "now" and isinstance(value, dict) else (value,)
        if not all(
            isinstance(v, str | int | float | bool | None) and len(str(v)) <= MAX_VALUE_CHARACTERS for v in values
        ):
            raise BadRecording(f"event {number}: {key} is no plain value")
    for key, types in KINDS[kind].items():
        if type(event.get(key)) not in types or (key not in event):
            raise BadRecording(f"event {number}: {key} is missing, or no value of a {kind}")
    if kind == "transition" and not ({event["before"], event["phase"]} <= _PHASES and event["status"] in _STATUSES):
        raise BadRecording(f"event {number} has a phase or a status that a connection does not have")
    if kind == "switch" and not all(event["now"].get(name) in words for name, words in SETTINGS.items()):
        raise BadRecording(f"event {number}: now does not say where each switch stands")


def _steps(dump: Any) -> Iterator[tuple[dict[str, Any], State, State]]:
    state, inputs = load(dump)
    for at, after, one, commands in replayed(state, inputs):
        step = {
            "at": at,
            "input": type(one.happened).__name__,
            "details": _words(one.happened),
            "commands": [_words(command, named=True) for command in commands],
            "phase": str(after.phase),
            "status": str(after.status),
            "explain": explain(after, at),
        }
        yield step, state, after
        state = after


def _words(value: object | Command, *, named: bool = False) -> str:
    fields = {name: getattr(value, name) for name in getattr(type(value), "__slots__", ())}
    words = ", ".join(f"{name} {field}" for name, field in fields.items() if field is not None)
    return f"{type(value).__name__} {words}".strip() if named else words


_MARKS = {"ConnectCalled": "connect", "DisconnectCalled": "disconnect", "PingCalled": "ping"}


def _dump(data: Mapping[str, Any]) -> dict[str, Any]:
    # One phone. What it was told, and what changed, are its events.
    steps: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    begin: float | None = None
    _check_number([data])
    state, _ = load(data)
    now = {"app": str(state.app), "network": _network(state), "mode": str(state.mode), "pace": "quick", "token": "good"}
    events.append({"at": 0.0, "kind": "switch", "phone": "phone", "what": "", "now": dict(now)})
    events.append(_transition(0.0, "", state, state))
    for step, before, after in _steps(data):
        begin = step["at"] if begin is None else begin
        at = _since(begin, step["at"])
        steps.append({**step, "phone": "phone", "at": at})
        what = _MARKS.get(step["input"], "")
        if before.app is not after.app:
            what = now["app"] = str(after.app)
        if before.network is not after.network:
            what = now["network"] = _network(after)
        if what:
            events.append({"at": at, "kind": "switch", "phone": "phone", "what": what, "now": dict(now)})
        if (before.phase, before.status, before.epoch) != (after.phase, after.status, after.epoch):
            events.append(_transition(at, step["input"], before, after) | {"explain": step["explain"]})
    return {"names": ["phone"], "events": events, "steps": steps}


def _network(state: State) -> str:
    return "offline" if str(state.network) == "offline" else "online"


def _transition(at: float, trigger: str, before: State, after: State) -> dict[str, Any]:
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
