"""Errors of `tailwire lab`."""

from __future__ import annotations

import pytest

from tailwire.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "code", "output"),
    [
        (["--port", "70000"], 2, "--port must be from 0 to 65535"),
        (["--slow", "0"], 2, "--slow must be from 1 to 100"),
        (["--slow", "nan"], 2, "--slow must be from 1 to 100"),
        (["--record", "out.gif"], 2, "must end in .webp"),
        (["--record", "out.webp", "file.json"], 2, "do not give a FILE"),
        (["nowhere.json"], 1, "No such file"),
        (["--record", "out.webp", "--chromium", "/no/such/browser"], 1, "/no/such/browser is not a program"),
        (["--record", "/no/such/folder/out.webp"], 1, "the folder /no/such/folder does not exist"),
    ],
)
def test_invalid_arguments_are_explained(tmp_path, monkeypatch, capsys, arguments, code, output):
    monkeypatch.chdir(tmp_path)
    assert main(["lab", *arguments]) == code
    assert output in capsys.readouterr().err


def test_missing_browser_is_explained(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TAILWIRE_CHROMIUM", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["lab", "--record", "out.webp"]) == 1
    output = capsys.readouterr().err
    assert "--chromium FILE or $TAILWIRE_CHROMIUM" in output


def test_invalid_recording_is_named(tmp_path, capsys):
    file = tmp_path / "x.json"
    file.write_text("{}")
    assert main(["lab", str(file)]) == 1
    assert "is neither a recording nor a dump of a connection" in capsys.readouterr().err
