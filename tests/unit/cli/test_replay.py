"""`tailwire replay`: the steps of a dump, and files that are not dumps."""

from __future__ import annotations

import json

import pytest

from tailwire.cli.replay import replay
from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.history import History
from tailwire.sdk.connection.machine import step
from tailwire.sdk.connection.state import State


def dump() -> dict:
    history, before = History(State()), State()
    after, _ = step(before, i.LoggedIn(), 1000.0, 0.5)
    history.record(before, i.LoggedIn(), 1000.0, 0.5, after)
    later, _ = step(after, i.LoggedOut(), 1002.0, 0.5)
    history.record(after, i.LoggedOut(), 1002.0, 0.5, later)
    return history.dump()


def test_each_step_is_printed(tmp_path, capsys):
    file = tmp_path / "dump.json"
    file.write_text(json.dumps(dump()))
    assert replay(str(file)) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("          start: ")
    assert [line for line in printed if "Logged" in line] == ["    0.000 LoggedIn()", "    2.000 LoggedOut()"]
    assert any(line.startswith("            -> OpenSocket(") for line in printed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        ("[" * 100_000, "not JSON"),
        ('{"format": 1, "at": 1e999}', "too large"),
        ('{"format": 1, "at": NaN}', "invalid number"),
        (json.dumps(dump()).replace("1000.0", "1" + "0" * 400), "more than 18 digits"),
        ("{}", "format None"),
    ],
)
def test_file_that_is_not_a_dump_is_refused(tmp_path, capsys, content, message):
    file = tmp_path / "dump.json"
    file.write_text(content)
    assert replay(str(file)) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(f"tailwire: {file}: ")
    assert message in printed.err
    assert printed.out == ""


def test_missing_file_is_reported(tmp_path, capsys):
    assert replay(str(tmp_path / "missing.json")) == 1
    assert "No such file" in capsys.readouterr().err
