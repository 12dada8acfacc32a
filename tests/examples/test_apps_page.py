"""The short code blocks of docs/apps.md run with a connected client. Its programs: tests/adapters."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from harness import LiveStage

PAGE = Path(__file__).parents[2] / "docs" / "apps.md"
PROGRAM = re.compile(r"import (asyncio|os)\b|from kivy|watch_(browser|android|ios)")


@pytest.mark.skipif(importlib.util.find_spec("dbus_fast") is None, reason="dbus-fast is not installed: run `make gui`")
async def test_documented_blocks_run(live: LiveStage, monkeypatch, capsys):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
    alice = await live.enter("alice")
    blocks = [b for b in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if not PROGRAM.search(b)]
    assert [next(word for word in ("tailwire.watch", "reason=", "watch_sleep", "watch_network") if word in block)
            for block in blocks] == ["tailwire.watch", "reason=", "watch_sleep", "watch_network"]  # fmt: skip
    scope = {"chat": alice.chat}
    for n, block in enumerate(blocks):
        waiting = eval(compile(block, f"block {n}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), scope)
        if waiting is not None:
            await waiting
    output = capsys.readouterr().out
    assert output.splitlines()[-1] == "True"  # `network`, which is known on every Linux
    await alice.wait_connected()
