"""Each picture of the documentation is drawn by a script, a diagram, a snapshot or a recording."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORDED = {"lab.webp": "--record", "demo.svg": "--svg"}
"""Recordings, with the option of the command of the same name that makes each."""


@pytest.mark.gui
def test_each_picture_is_made_by_a_script_and_each_script_has_made_its_picture(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("PIL")
    pytest.importorskip("textual")
    for folder in ("tests/examples", "tests/adapters", "scripts"):
        monkeypatch.syspath_prepend(ROOT / folder)
    import diagrams
    import make_pictures
    from tailwire.cli.main import parser_for
    from tui.scenes import SCENES

    drawn = {f"{name}.png" for name in make_pictures.DRAWN if name != "terminal_chat"}
    made = drawn | {f"terminal_{name}.svg" for name in SCENES} | {path.name for path in diagrams.pictures()}
    for file, option in RECORDED.items():
        command = Path(file).stem
        parser_for([command]).parse_args([command, option, file])  # ends the test if there is no such option
    assert {path.name for path in (ROOT / "docs" / "pictures").iterdir()} == made | set(RECORDED)
