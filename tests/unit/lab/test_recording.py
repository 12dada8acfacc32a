"""Files of the lab: invalid files are refused, and a dump of a connection is shown as one phone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tailwire.lab.recording import BadRecording, read_recording
from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.history import History
from tailwire.sdk.connection.machine import step
from tailwire.sdk.connection.state import AppState, Network, State


def dump_of(*happened: i.Input) -> dict:
    state = State()
    history, now = History(state), 1000.0
    for one in happened:
        after, _ = step(state, one, now, 0.5)
        history.record(state, one, now, 0.5, after)
        state, now = after, now + 1.0
    return history.dump()


WALK = (
    i.LoggedIn(),
    i.AttemptSucceeded(1),
    i.NetworkChanged(Network.OFFLINE),
    i.SocketLost(1, Cause.CONNECTION_RESET),
    i.AppStateChanged(AppState.BACKGROUND),
)


def test_dump_is_one_phone_with_a_step_per_input(tmp_path):
    file = tmp_path / "dump.json"
    file.write_text(json.dumps(dump_of(*WALK)))
    recording = read_recording(file)
    assert recording["names"] == ["phone"]
    assert [s["input"] for s in recording["steps"]] == [type(one).__name__ for one in WALK]
    assert [s["at"] for s in recording["steps"]] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert [s["phase"] for s in recording["steps"]] == ["connecting", "open", "open", "waiting", "idle"]
    assert any(c.startswith("OpenSocket") for c in recording["steps"][0]["commands"])
    assert recording["steps"][3]["details"] == "epoch 1, cause connection_reset"
    assert "background" in recording["steps"][-1]["explain"]
    assert [e["what"] for e in recording["events"] if e["kind"] == "switch"] == ["", "offline", "background"]
    moves = [(e["before"], e["phase"]) for e in recording["events"] if e["kind"] == "transition"]
    assert moves == [
        ("idle", "idle"),
        ("idle", "connecting"),
        ("connecting", "open"),
        ("open", "waiting"),
        ("waiting", "idle"),
    ]


def lab(**changes) -> dict:
    events = [{"at": 0.5, "kind": "typed", "phone": "alice", "id": "1", "text": "hello"}]
    return {"tailwire lab": 1, "begin": 1000.0, "events": events, "dumps": {"alice": [dump_of(*WALK)]}} | changes


NOW = {"app": "foreground", "network": "online", "mode": "auto", "pace": "quick", "token": "good"}
MOVE = {"at": 1, "kind": "transition", "phone": "bob", "trigger": "x", "before": "idle", "phase": "open",
        "status": "connected", "epoch": 1, "cause": None, "why": "", "explain": "e"}  # fmt: skip


def one(**fields) -> str:
    """Return a file with one event of this kind and its other required fields."""
    whole = {"at": 1, "phone": "bob", "id": "1", "text": "t"}
    return json.dumps(lab(events=[{**whole, **fields}]))


EACH = [
    MOVE,
    {**MOVE, "cause": "connection_reset"},
    {"at": 1, "kind": "switch", "phone": "bob", "what": "", "now": NOW},
    {"at": 1, "kind": "typed", "phone": "bob", "id": "1", "text": "t"},
    {"at": 1, "kind": "accepted", "phone": "bob", "id": "1"},
    {"at": 1, "kind": "failed", "phone": "bob", "id": "1", "text": "t"},
    {"at": 1, "kind": "handed", "phone": "bob", "id": "1", "text": "t"},
    {"at": 1, "kind": "notice", "phone": "server", "text": "t"},
    {"at": 1, "kind": "server", "what": "start", "up": True, "busy": False},
]


@pytest.mark.parametrize("event", EACH, ids=lambda e: e["kind"])
def test_events_require_the_fields_that_the_page_uses(tmp_path, event):
    file = tmp_path / "lab.json"
    file.write_text(json.dumps(lab(events=[event])))
    assert read_recording(file)["events"] == [event]
    for key in event:
        rest = {k: v for k, v in event.items() if k != key}
        file.write_text(json.dumps(lab(events=[rest])))
        with pytest.raises(BadRecording, match="event 1"):
            read_recording(file)
        file.write_text(json.dumps(lab(events=[{**event, key: [1]}])))
        with pytest.raises(BadRecording, match="event 1"):
            read_recording(file)


def test_large_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tailwire.sdk.io.untrusted_json.MAX_BYTES", 1000)
    with pytest.raises(BadRecording, match="more than 1,000 bytes"):
        read_recording(Path("/dev/zero"))
    file = tmp_path / "lab.json"
    file.write_text("x" * 1001)
    with pytest.raises(BadRecording, match="more than 1,000 bytes"):
        read_recording(file)


def test_dumps_with_too_many_inputs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tailwire.lab.recording.MAX_EVENTS", 8)
    file = tmp_path / "dump.json"
    dump = dump_of(*WALK)
    file.write_text(json.dumps(dump))
    assert len(read_recording(file)["steps"]) == len(WALK)
    for many in (dump | {"inputs": dump["inputs"] * 2}, lab(dumps={"alice": [dump], "bob": [dump]})):
        file.write_text(json.dumps(many))
        with pytest.raises(BadRecording, match="more than 8 inputs"):
            read_recording(file)


def test_undecodable_character_of_a_file_name_is_shown_as_a_question_mark(tmp_path):
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json"))
    file.write_text(json.dumps(lab()))
    assert read_recording(file)["name"] == "?.json"


def test_times_of_events_and_steps_of_a_recording_are_on_one_clock(tmp_path):
    file = tmp_path / "lab.json"
    file.write_text(json.dumps(lab()))
    recording = read_recording(file)
    assert [(s["phone"], s["at"]) for s in recording["steps"]][:2] == [("alice", 0.0), ("alice", 1.0)]
    assert [e["at"] for e in recording["events"]] == [0.5]


def test_names_and_texts_of_a_recording_are_read(tmp_path):
    file = tmp_path / "lab.json"
    file.write_text(json.dumps(lab()))
    recording = read_recording(file)
    assert recording["names"] == ["alice", "bob"]
    assert recording["events"][0]["text"] == "hello"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("nonsense", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "format None"),
        ("[" * 100_000, "not JSON"),
        (json.dumps(lab(**{"tailwire lab": 2})), "format 2"),
        (json.dumps(lab(events="x")), "missing or invalid"),
        (json.dumps(lab(events=[{"at": 1, "kind": "__proto__"}])), "event 1 has an unknown kind or an invalid time"),
        (
            json.dumps(lab(events=[{"at": "1", "kind": "typed", "phone": "alice"}])),
            "event 1 has an unknown kind or an invalid time",
        ),
        (json.dumps(lab(events=[{"at": 1, "kind": "typed", "phone": "carol"}])), "event 1 does not name its phone"),
        (json.dumps(lab(events=[{"at": 1, "kind": "typed"}])), "does not name its phone"),
        (
            json.dumps(lab(events=[{"at": 1, "kind": "typed", "phone": "bob", "text": ["x"]}])),
            "text is not a plain value",
        ),
        (json.dumps(lab(events=[{"at": 1, "kind": "typed", "phone": "bob", "text": "x" * 9999}])), "plain value"),
        (json.dumps(lab(dumps={"alice": [{"format": 1}]})), "not a dump"),
        (json.dumps(lab(dumps={"alice": [5]})), "not a JSON object"),
        (json.dumps(lab(dumps={"alice": 5})), "its dumps are not"),
        (json.dumps(lab(dumps={"carol": []})), "its dumps are not"),
        ('{"tailwire lab": 1, "events": [], "dumps": {}, "begin": 1' + "0" * 400 + "}", "more than 18 digits"),
        ('{"tailwire lab": 1, "events": [], "dumps": {}, "begin": ' + "1" * 5000 + "}", "more than 18 digits"),
        ('{"tailwire lab": 1, "events": [], "dumps": {}, "begin": 1e999}', "too large"),
        (json.dumps(lab(begin=-1e12)), "longer than a year"),
        (one(kind="notice", text=float("nan")), "an invalid number: NaN"),
        (one(kind="notice", text="\ud800"), "lone surrogate"),
        (one(kind="notice", at=1e18), "more than a year away"),
        (one(kind="typed", phone="server"), "does not name its phone"),
        (one(kind="transition"), "event 1: trigger is missing"),
        (json.dumps(lab(events=[MOVE | {"phase": "x"}])), "a phase or a status"),
        (json.dumps(lab(events=[MOVE | {"status": "x"}])), "a phase or a status"),
        (json.dumps(lab(events=[MOVE | {"explain": 5}])), "event 1: explain"),
        (one(kind="switch", what=""), "event 1: now is missing"),
        (one(kind="switch", what="", now=NOW | {"network": "x"}), "set of switch positions"),
        (one(kind="switch", what="", now={}), "set of switch positions"),
        (json.dumps(lab(events=[{"at": 1, "kind": "server"}])), "event 1: what is missing"),
    ],
)
def test_invalid_recordings_are_refused(tmp_path, content, problem):
    file = tmp_path / "file.json"
    file.write_text(content)
    with pytest.raises(BadRecording, match=problem):
        read_recording(file)
