"""The output of `tailwire demo` and `tailwire lab`: nothing is cut off, progress is shown, and each names the other."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import pytest
from rich.console import Console

from tailwire.cli import demo as demo_module
from tailwire.cli.demo import Demo
from tailwire.cli.lab import _print_start

LONG = (
    "back in the foreground: stays disconnected, a message waits; disconnected: manual mode, connect() was not called "
    "after the background window ran out without a ping(); connect() changes that"
)


@pytest.mark.parametrize(("width", "column"), [(60, 29), (80, 29), (109, 29), (110, 52), (150, 52)])
def test_long_lines_are_wrapped_in_their_column_and_not_cut_off(tmp_path: Path, width: int, column: int):
    printed = io.StringIO()
    console = Console(file=printed, width=width, highlight=False, soft_wrap=True)
    Demo(tmp_path, console)._show(LONG)
    lines = printed.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    begin = lines[0].index("back")
    assert " ".join(line[begin:].strip() for line in lines) == LONG
    assert [line[:begin].strip() for line in lines[1:]] == [""] * (len(lines) - 1)
    assert begin <= column


def test_progress_is_shown_while_nothing_happens_except_in_a_recording(tmp_path: Path):
    for record, output in ((False, True), (True, False)):
        printed = io.StringIO()
        console = Console(file=printed, width=80, force_terminal=True, record=record)
        with Demo(tmp_path, console)._spinner("Starting a server …"):
            pass
        assert ("Starting a server …" in printed.getvalue()) is output


def test_outputs_of_demo_and_lab_name_the_command_of_the_other(monkeypatch, capsys):
    async def run(self: Demo) -> bool:
        return True

    monkeypatch.setattr(demo_module.Demo, "run", run)
    assert demo_module.demo() == 0
    output = capsys.readouterr().out.splitlines()
    assert "/chat/" in output[-2]
    assert "make lab" in output[-1]
    _print_start(argparse.Namespace(open=False), "", "http://127.0.0.1:1/x", "")
    assert "make demo" in capsys.readouterr().out.splitlines()[-1]


def test_picture_of_the_demo_loads_no_font_from_elsewhere(monkeypatch, tmp_path: Path):
    async def run(self: Demo) -> bool:
        self._console.print("both logged in")
        return True

    monkeypatch.setattr(demo_module.Demo, "run", run)
    assert demo_module.demo(str(tmp_path / "demo.svg")) == 0
    drawn = (tmp_path / "demo.svg").read_text(encoding="utf-8")
    assert "both&#160;logged&#160;in" in drawn
    assert "@font-face" not in drawn
    assert "https://" not in drawn.replace("https://www.textualize.io", "")  # the generator names itself in a comment
