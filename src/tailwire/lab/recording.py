"""The file of a lab, and how it is shown again; also the plain dump of one connection, from the field.

Rule: a file comes from anybody: it is checked before any of it is used, and what makes no sense is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tailwire.lab.graph import machine
from tailwire.lab.stage import NAMES, Lab
from tailwire.sdk.connection.commands import Command
from tailwire.sdk.connection.explain import describe, explain
from tailwire.sdk.connection.history import BadDump, load
from tailwire.sdk.connection.replay import BadReplay, replayed
from tailwire.sdk.connection.state import State

FORMAT = 1
LARGEST = 20_000_000
MOST_EVENTS = 20_000
LONGEST = 2000
KINDS = frozenset({"transition", "switch", "typed", "accepted", "failed", "handed", "notice", "server"})


class BadRecording(ValueError):
    """The file is neither a lab's nor a dump. The message says what is wrong."""


def recorded(lab: Lab) -> dict[str, Any]:
    """Return what has happened in a lab, JSON-ready. It holds what was written in the chats, and no secret."""
    return {
        "tailwire lab": FORMAT,
        "begin": lab.story.begin,
        "end": lab.story.now,
        "events": lab.story.events,
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
    if file.stat().st_size > LARGEST:
        raise BadRecording(f"it has more than {LARGEST:,} bytes")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(data, Mapping):
            raise BadRecording("it is no JSON object")
        shown = _lab(data) if "tailwire lab" in data else _dump(data)
    except (BadDump, BadReplay) as e:
        raise BadRecording(str(e)) from e
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as e:
        raise BadRecording(f"it is no JSON: {e}") from e
    return {**shown, "machine": machine(), "name": file.name}


def _lab(data: Mapping[str, Any]) -> dict[str, Any]:
    if data["tailwire lab"] != FORMAT:
        raise BadRecording(f"format {data['tailwire lab']!r}, this version reads {FORMAT}")
    events, dumps, begin = data.get("events"), data.get("dumps"), data.get("begin")
    if not isinstance(events, list) or not isinstance(dumps, Mapping) or not _is_time(begin):
        raise BadRecording("it lacks its events, its dumps or its begin")
    if len(events) > MOST_EVENTS:
        raise BadRecording(f"it has more than {MOST_EVENTS:,} events")
    for number, event in enumerate(events, 1):
        _check(number, event)
    steps = [
        {**step, "phone": name, "at": round(step["at"] - begin, 3)}
        for name, many in dumps.items()
        if name in NAMES and isinstance(many, list)
        for dump in many
        for step, _, _ in _steps(dump)
    ]
    return {"names": list(NAMES), "events": events, "steps": sorted(steps, key=lambda step: step["at"])}


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check(number: int, event: Any) -> None:
    known = isinstance(event, Mapping) and event.get("kind") in KINDS and _is_time(event.get("at"))
    if not known or event.get("phone", "server") not in (*NAMES, "server"):
        raise BadRecording(f"event {number} is not one of a lab")
    if (event["kind"] == "server") is ("phone" in event) and event["kind"] != "notice":
        raise BadRecording(f"event {number} does not say whose it is")
    for key, value in event.items():
        values = value.values() if key == "now" and isinstance(value, Mapping) else (value,)
        if not all(isinstance(v, str | int | float | bool | None) and len(str(v)) <= LONGEST for v in values):
            raise BadRecording(f"event {number}: {key} is no plain value")


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
    state, _ = load(data)
    now = {"app": str(state.app), "network": _network(state), "mode": str(state.mode), "pace": "quick", "token": "good"}
    events.append({"at": 0.0, "kind": "switch", "phone": "phone", "what": "", "now": dict(now)})
    events.append(_transition(0.0, "", state, state))
    for step, before, after in _steps(data):
        begin = step["at"] if begin is None else begin
        at = round(step["at"] - begin, 3)
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
