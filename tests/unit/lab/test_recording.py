"""Files of the lab: what makes no sense is refused, and a dump from the field is shown as one phone."""

from __future__ import annotations

import json

import pytest

from tailwire.lab.recording import BadRecording, read
from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.history import History
from tailwire.sdk.connection.machine import step
from tailwire.sdk.connection.state import App, Network, State


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
    i.AppStateChanged(App.BACKGROUND),
)


def test_a_dump_from_the_field_is_one_phone_with_a_step_for_each_input(tmp_path):
    file = tmp_path / "dump.json"
    file.write_text(json.dumps(dump_of(*WALK)))
    shown = read(file)
    assert shown["names"] == ["phone"]
    assert [s["input"] for s in shown["steps"]] == [type(one).__name__ for one in WALK]
    assert [s["at"] for s in shown["steps"]] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert [s["phase"] for s in shown["steps"]] == ["connecting", "open", "open", "waiting", "idle"]
    assert any(c.startswith("OpenSocket") for c in shown["steps"][0]["commands"])
    assert shown["steps"][3]["details"] == "epoch 1, cause connection_reset"
    assert "background" in shown["steps"][-1]["explain"]
    assert [e["what"] for e in shown["events"] if e["kind"] == "switch"] == ["", "offline", "background"]
    moves = [(e["before"], e["phase"]) for e in shown["events"] if e["kind"] == "transition"]
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


def test_a_file_of_the_lab_has_its_events_and_the_steps_on_the_same_clock(tmp_path):
    file = tmp_path / "lab.json"
    file.write_text(json.dumps(lab()))
    shown = read(file)
    assert shown["names"] == ["alice", "bob"]
    assert [(s["phone"], s["at"]) for s in shown["steps"]][:2] == [("alice", 0.0), ("alice", 1.0)]
    assert shown["events"][0]["text"] == "hello"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("nonsense", "no JSON"),
        ("[]", "no JSON object"),
        ("{}", "format None"),
        ("[" * 100_000, "no JSON"),
        (json.dumps(lab(**{"tailwire lab": 2})), "format 2"),
        (json.dumps(lab(events="x")), "lacks"),
        (json.dumps(lab(events=[{"at": 1, "kind": "__proto__"}])), "event 1 is not one of a lab"),
        (json.dumps(lab(events=[{"at": "1", "kind": "typed", "phone": "alice"}])), "event 1 is not one of a lab"),
        (json.dumps(lab(events=[{"at": 1, "kind": "typed", "phone": "carol"}])), "event 1 is not one of a lab"),
        (json.dumps(lab(events=[{"at": 1, "kind": "typed"}])), "whose"),
        (json.dumps(lab(events=[{"at": 1, "kind": "typed", "phone": "bob", "text": ["x"]}])), "text is no plain value"),
        (json.dumps(lab(events=[{"at": 1, "kind": "typed", "phone": "bob", "text": "x" * 9999}])), "plain value"),
        (json.dumps(lab(dumps={"alice": [{"format": 1}]})), "not a dump"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path, content, said):
    file = tmp_path / "file.json"
    file.write_text(content)
    with pytest.raises(BadRecording, match=said):
        read(file)
