"""Each screen looks like its picture in `docs/pictures`."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tui.marks import needs_textual

pytestmark = [pytest.mark.gui, needs_textual]
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
NAMES = ("chat", "chat_80", "banner", "thread", "picture", "menu", "jump", "upload", "react", "why", "login",
         "keys", "search")  # fmt: skip


def test_every_scene_has_a_snapshot():
    from tui.scenes import SCENES

    assert set(NAMES) == set(SCENES)


@pytest.mark.parametrize("name", NAMES)
async def test_screen_looks_like_its_snapshot(name: str, monkeypatch, tmp_path):
    from tui.scenes import draw_scene

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    try:
        now = await draw_scene(name)
    finally:
        monkeypatch.undo()
        time.tzset()
    file = PICTURES / f"terminal_{name}.svg"
    if not file.exists() or file.read_text(encoding="utf-8") != now:
        other = tmp_path / file.name
        other.write_text(now, encoding="utf-8")
        pytest.fail(
            f"The screen differs from {file}. Look at {other} in a browser; if it is right, draw the pictures anew: "
            'make pictures ARGS="terminal_chat"'
        )
